import {
  ServerResponse,
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
} from "node:http";
import type { Socket } from "node:net";
import { conversationOn } from "./conversation.js";
import { endUnread } from "./last-words.js";

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

  override writeHead(
    status: number,
    reason?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
    headers?: OutgoingHttpHeaders | OutgoingHttpHeader[],
  ): this {
    if (status >= 400 || this.home?.isDraining() === true) this.shouldKeepAlive = false;
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
    super.end(chunk, encoding as BufferEncoding, onEnd as () => void);
    // Most are taken by the kernel at once.
    if (this.writableLength > 0) this.#waitForReader();
    return this;
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
