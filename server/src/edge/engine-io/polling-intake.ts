import { endsBecause } from "../../classroom/connection-log.js";
import type { Client } from "../../classroom/whom.js";
import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { guard } from "../guard.js";
import { Allowance } from "../intake/allowance.js";
import type { Intake } from "../intake/intake.js";
import type { Waiting } from "../intake/waiting-list.js";
import { codedBody, isCoded, overloaded } from "../intake/bodies.js";
import { HttpProblem } from "../http/problems.js";

/** Between the packets of a body. */
const SEPARATOR = "\u001e";
const TOO_LARGE = 413;
/** As older revisions of Engine.IO sent binary packets. */
const OCTETS = "application/octet-stream";

/** A request as Engine.IO's server hands it to a transport: with its answer, where it did not become a WebSocket. */
interface TransportRequest extends IncomingMessage {
  res?: ServerResponse | null;
}

// Private in engine.io's types (test/dependencies/private-parts.md).
interface PollingSeam extends EventEmitter {
  readonly readyState: string;
  maxHttpBufferSize: number;
  intake?: PollingIntake;
  onRequest(this: PollingSeam, request: TransportRequest): void;
  onData(this: PollingSeam, data: string): void;
}

/**
 * Counts the packets of a long-polling connection's bodies. Who has sent too many waits for the answer to the next body,
 * which is not read before.
 */
export class PollingIntake implements Waiting {
  readonly #transport: PollingSeam;
  readonly #intake: Intake;
  readonly #allowance: Allowance;
  #client: Client;
  #waiting: TransportRequest | undefined;

  constructor(transport: EventEmitter, intake: Intake, client: Client) {
    const seam = transport as PollingSeam;
    this.#transport = seam;
    this.#intake = intake;
    this.#allowance = new Allowance(intake.rate);
    this.#client = client;
    seam.intake = this;
    seam.onRequest = onPollingRequest;
    seam.onData = onPollingData;
  }

  /** There is a connection: whoever is refused is known by it. */
  belongsTo(client: Client): void {
    this.#client = client;
  }

  /** Longer bodies end the connection from now on (413). */
  limitFrames(maxBytes: number): void {
    this.#transport.maxHttpBufferSize = maxBytes;
  }

  giveBack(): void {
    this.#allowance.giveBack();
  }

  waitsUntil(nowMs: number): number | undefined {
    const request = this.#waiting;
    if (!request || request.destroyed) return undefined;
    const isOpen = this.#transport.readyState === "open";
    if (isOpen && !this.#allowance.isReady(nowMs)) return this.#allowance.readyAtMs;
    this.#waiting = undefined;
    if (isOpen) {
      this.#allowance.readOn(nowMs);
      this.#read(request);
    } else {
      refuse(request, new HttpProblem(400, "invalid_request", "this connection has ended"));
    }
    return undefined;
  }

  destroy(): void {
    this.#transport.emit("error", new Error("an error that nobody expected"));
  }

  /** @internal A body is about to come. */
  onBody(request: TransportRequest): void {
    const maxBytes = this.#transport.maxHttpBufferSize;
    if (this.#waiting && !this.#waiting.destroyed) {
      const detail = "wait for the answer to one body before you send the next";
      refuse(request, new HttpProblem(429, "too_many_messages", detail));
      this.#end("too_many_messages", detail);
    } else if (Number(request.headers["content-length"]) > maxBytes) {
      const detail = tooLarge(maxBytes);
      refuse(request, new HttpProblem(TOO_LARGE, "payload_too_large", detail));
      this.#end("too_large", detail);
    } else if (isCoded(request.headers)) {
      refuse(request, codedBody());
    } else if (request.headers["content-type"] === OCTETS) {
      // Engine.IO would end the connection for it, in words of its own.
      const detail = "a body of long polling is text: send it as text/plain;charset=UTF-8";
      refuse(request, new HttpProblem(415, "unsupported_media_type", detail));
    } else if (this.#allowance.isReady(performance.now())) {
      this.#read(request);
    } else {
      this.#waiting = request;
      this.#intake.waiting.add(this, this.#allowance.readyAtMs);
    }
  }

  /** @internal There was an error as its packets were heard. */
  drop(error: unknown): void {
    this.#intake.drop(error, this);
  }

  /** @internal @returns whether the packets of a body are to be heard */
  onPackets(body: string): boolean {
    const verdict = this.#allowance.takeMessages(count(body), body.length, performance.now());
    if (verdict !== "too many") return true;
    this.#end("too_many_messages");
    return false;
  }

  #read(request: TransportRequest): void {
    const { res, headers } = request;
    if (res && headers["content-length"] === undefined) {
      // Engine.IO counts what comes, refuses what is too long, and would read it to its end.
      res.once("finish", () => {
        if (res.statusCode !== TOO_LARGE) return;
        request.destroy();
        this.#end("too_large", tooLarge(this.#transport.maxHttpBufferSize));
      });
    }
    if (res && request.method === "POST") {
      this.#intake.bodies.follow(request, res, () => {
        // Engine.IO may be about to hear of the piece with which it has become too much.
        const giveUp = () => {
          this.#giveUp(request, res);
        };
        process.nextTick(guard(this.#intake.drop, () => request, giveUp));
      });
    }
    prototypeOf(this.#transport).onRequest.call(this.#transport, request);
  }

  #giveUp(request: TransportRequest, res: ServerResponse): void {
    if (res.headersSent || res.destroyed) return;
    const problem = overloaded();
    answer(res, problem);
    this.#intake.refuse("overloaded", this.#client, problem.message);
    endsBecause(this.#transport, "overloaded");
    // The connection ends, and Engine.IO forgets what has come: else it would answer, too.
    request.emit("close");
    request.pause();
  }

  #end(code: "too_large" | "too_many_messages", why?: string): void {
    this.#intake.refuse(code, this.#client, why);
    endsBecause(this.#transport, code);
    this.#transport.emit("error", new Error(code));
  }
}

/** Requests that come for a connection whose transport is a WebSocket: Engine.IO would never answer them. */
export function refuseRequests(transport: EventEmitter): void {
  (transport as PollingSeam).onRequest = onStrayRequest;
}

function tooLarge(maxBytes: number): string {
  return `the body is longer than ${String(maxBytes)} bytes`;
}

/** As long as Engine.IO has not taken it over. */
function refuse({ res }: TransportRequest, problem: HttpProblem): void {
  if (res) answer(res, problem);
}

function answer(res: ServerResponse, { problem, headers, body, contentType }: HttpProblem): void {
  res.writeHead(problem.status, {
    ...headers,
    "content-type": contentType,
    // What else comes on it is not read.
    connection: "close",
  });
  res.end(body);
}

function count(body: string): number {
  let packets = 1;
  for (let i = body.indexOf(SEPARATOR); i >= 0; i = body.indexOf(SEPARATOR, i + 1)) packets++;
  return packets;
}

function prototypeOf(transport: PollingSeam): PollingSeam {
  return Object.getPrototypeOf(transport) as PollingSeam;
}

// Functions of their own for each connection would be memory for each.

function onPollingRequest(this: PollingSeam, request: TransportRequest): void {
  if (request.method === "GET") {
    prototypeOf(this).onRequest.call(this, request);
  } else if (request.method === "POST") {
    this.intake?.onBody(request);
  } else {
    const headers = { allow: "GET, POST" };
    const detail = "long polling is GET and POST";
    refuse(request, new HttpProblem(405, "method_not_allowed", detail, { headers }));
  }
}

function onPollingData(this: PollingSeam, body: string): void {
  const { intake } = this;
  try {
    if (intake?.onPackets(body) !== false) prototypeOf(this).onData.call(this, body);
  } catch (error) {
    if (!intake) throw error;
    intake.drop(error);
  }
}

function onStrayRequest(this: PollingSeam, request: TransportRequest): void {
  // The one that it came by has none.
  if (!request.res) return;
  const detail = "this connection has become a WebSocket";
  refuse(request, new HttpProblem(400, "invalid_request", detail));
}
