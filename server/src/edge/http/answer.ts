import {
  ServerResponse,
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
} from "node:http";
import type { Socket } from "node:net";
import { conversationOn } from "./conversation.js";
import { endUnread } from "./last-words.js";
import { HttpProblem, nothingThere } from "./problems.js";

/** What all answers of a server share. */
export interface AnswersHome {
  /** Whether this replica goes: whoever asks next is to ask another one, rather than on a connection that is about to end. */
  isDraining(): boolean;
  /** How long an answer may wait for its client, in ms. */
  readonly timeoutMs: number;
  /** Those that wait for their clients, oldest first. */
  readonly unread: UnreadAnswers;
  onSlowReader(request: IncomingMessage): void;
}

/** The answers of all connections that wait for their clients: their bytes together have a limit, and the oldest goes first. */
export class UnreadAnswers {
  readonly #maxBytes: number;
  readonly #bytesOf = new Map<Answer, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(answer: Answer): void {
    this.delete(answer);
    this.#bytesOf.set(answer, answer.writableLength);
    this.#bytes += answer.writableLength;
    for (const oldest of this.#bytesOf.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.delete(oldest);
      oldest.giveUp();
    }
  }

  delete(answer: Answer): void {
    this.#bytes -= this.#bytesOf.get(answer) ?? 0;
    this.#bytesOf.delete(answer);
  }
}

/**
 * An answer that refuses is the last one on its connection, and so is one to a request that has not come whole, and any
 * answer of a replica that goes. Whoever does not read its answers is cut.
 */
export class Answer<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  home: AnswersHome | undefined;
  #giveUp: NodeJS.Timeout | undefined;
  /** Of a package that refuses by a status alone. */
  #wordless: HttpProblem | undefined;

  override writeHead(
    status: number,
    reason?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
    headers?: OutgoingHttpHeaders | OutgoingHttpHeader[],
  ): this {
    if (status >= 400 || this.home?.isDraining() === true) this.shouldKeepAlive = false;
    if (status >= 400 && !this.#saysSomething(typeof reason === "string" ? headers : reason)) {
      this.#wordless = wordless(status);
      if (this.#wordless) {
        this.setHeader("content-type", this.#wordless.contentType);
        this.setHeader("cache-control", "no-store");
      }
    }
    return typeof reason === "string"
      ? super.writeHead(status, reason, headers)
      : super.writeHead(status, reason ?? headers);
  }

  /** Of a file: its end comes when its client has read the rest, which it may never do. */
  override write(chunk: unknown, encoding?: unknown, onWritten?: unknown): boolean {
    const isTaken = super.write(chunk, encoding as BufferEncoding, onWritten as () => void);
    if (!isTaken) this.#waitForReader();
    return isTaken;
  }

  override end(chunk?: unknown, encoding?: unknown, onEnd?: unknown): this {
    if (chunk === undefined && !this.headersSent && this.statusCode >= 400) {
      this.writeHead(this.statusCode);
    }
    super.end(chunk ?? this.#wordless?.body, encoding as BufferEncoding, onEnd as () => void);
    // Most are taken by the kernel at once.
    if (this.writableLength > 0) this.#waitForReader();
    return this;
  }

  /** Whether an answer has a body, or says that it has none. */
  #saysSomething(headers: OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined): boolean {
    if (this.hasHeader("content-type") || this.hasHeader("content-length")) return true;
    if (Array.isArray(headers)) return true;
    return Object.keys(headers ?? {}).some((name) => /^content-(type|length)$/i.test(name));
  }

  /** Called by Node.js when those before it have been handed on. */
  override assignSocket(socket: Socket): void {
    super.assignSocket(socket);
    conversationOn(socket)?.assigned();
  }

  /** Called by Node.js when the answer has been handed on. */
  override detachSocket(socket: Socket): void {
    super.detachSocket(socket);
    this.#isOver();
    conversationOn(socket)?.answered(this);
    if (!this.req.complete) endUnread(socket);
  }

  /** Cuts the connection of a client that does not read this. */
  giveUp(): void {
    const { socket } = this.req;
    if (socket.destroyed) return;
    this.home?.onSlowReader(this.req);
    socket.destroy();
  }

  /** It is the only one that waits: the next request of its connection is done when this one has been read. */
  #waitForReader(): void {
    const { home } = this;
    if (!home || this.#giveUp || this.req.socket.destroyed) return;
    const giveUp = () => {
      this.giveUp();
    };
    this.#giveUp = setTimeout(giveUp, home.timeoutMs).unref();
    // Whoever is gone leaves nothing behind.
    this.once("close", () => {
      this.#isOver();
    });
    home.unread.add(this);
  }

  #isOver(): void {
    clearTimeout(this.#giveUp);
    this.home?.unread.delete(this);
  }
}

/** What is told of a refusal of which its status is all that is known. */
function wordless(status: number): HttpProblem | undefined {
  switch (status) {
    case 400: {
      const detail =
        "this is malformed, or came before another one like it was answered: send one after the other";
      return new HttpProblem(400, "invalid_request", detail);
    }
    case 404:
      return nothingThere();
    case 405:
      return new HttpProblem(405, "method_not_allowed", "ask by another method: see Allow");
    case 413: {
      const detail = "the body is longer than it may be: send less at once";
      return new HttpProblem(413, "payload_too_large", detail);
    }
    case 500:
      return new HttpProblem(500, "internal_error", "something went wrong here: try again later");
    default:
      return undefined;
  }
}
