import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { guard, type Drop } from "../guard.js";
import { HttpProblem } from "../http/problems.js";

/** What a piece of a body takes besides its bytes: whoever sends single bytes makes as many objects. */
const BYTES_OF_A_PIECE = 128;

/** The codings that are none. */
const UNCODED: ReadonlySet<string> = new Set(["", "identity"]);

interface Body {
  bytes: number;
  /** Never throws: it is called in the turn of somebody else. */
  readonly onGiveUp: () => void;
}

/**
 * The bodies that this replica has begun to read and has not answered, whosever they are: their bytes together have a limit.
 * Where it is reached, whoever takes longest to send his is given up, so that slow ones keep nobody else out.
 */
export class Bodies {
  readonly #maxBytes: number;
  readonly #drop: Drop;
  /** Those that have not come whole, oldest first. */
  readonly #coming = new Set<Body>();
  #bytes = 0;

  /** @param drop - ends the connection of one who could not be given up */
  constructor(maxBytes: number, drop: Drop) {
    this.#maxBytes = maxBytes;
    this.#drop = drop;
  }

  /** For tests and metrics: bytes of all, as they are counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * To be called where a body is read, in the turn in which that begins. A client that has asked whether it may send it
   * is told to.
   *
   * @param onGiveUp - refuses the rest of it; called once at most
   */
  follow(request: IncomingMessage, response: ServerResponse, onGiveUp: () => void): void {
    const body: Body = { bytes: 0, onGiveUp: guard(this.#drop, () => request, onGiveUp) };
    this.#coming.add(body);
    if (isAsking(request.headers)) response.writeContinue();
    const count = (piece: Buffer | string) => {
      if (this.#coming.has(body)) this.#grow(body, Buffer.byteLength(piece) + BYTES_OF_A_PIECE);
    };
    request.on("data", count);
    request.once("end", () => {
      this.#coming.delete(body);
    });
    response.once("close", () => {
      request.off("data", count);
      this.#coming.delete(body);
      this.#release(body);
    });
  }

  #grow(body: Body, bytes: number): void {
    body.bytes += bytes;
    this.#bytes += bytes;
    for (const slowest of this.#coming) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#coming.delete(slowest);
      this.#release(slowest);
      slowest.onGiveUp();
    }
  }

  #release(body: Body): void {
    this.#bytes -= body.bytes;
    body.bytes = 0;
  }
}

/** Whether a client waits to be told that it may send its body. */
export function isAsking({ expect }: IncomingHttpHeaders): boolean {
  return expect?.toLowerCase() === "100-continue";
}

/** Whether a body comes compressed, or as another one than it is: nothing of that is undone here. */
export function isCoded({ "content-encoding": coding }: IncomingHttpHeaders): boolean {
  // Without a regular expression: a header of blanks took one of them seconds of a turn.
  return coding !== undefined && !UNCODED.has(coding.trim().toLowerCase());
}

/** What a client is told whose body comes so. */
export function codedBody(): HttpProblem {
  const detail = "a body is sent as it is: leave out Content-Encoding";
  const headers = { "accept-encoding": "identity" };
  return new HttpProblem(415, "unsupported_media_type", detail, { headers });
}

/** What a client is told of which this replica has no room for more. */
export function overloaded(): HttpProblem {
  const detail = "this replica reads as many bodies as it may: try again, and send it at once";
  return new HttpProblem(503, "overloaded", detail, { headers: { "retry-after": "1" } });
}
