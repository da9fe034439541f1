import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Allowance, type MessageRate } from "../intake/allowance.js";
import type { Waiting, WaitingList } from "../intake/waiting-list.js";

/**
 * Requests of one connection that wait for their answers. Nobody but benchmarks sends a request before the last one is
 * answered; and Node.js takes as many as it has read, 2,000 and more, in one turn of the event loop.
 */
const MAX_UNANSWERED = 8;
/** So many bytes, of requests and answers, cost about as much as a request without any. */
const BYTES_OF_A_REQUEST = 16 * 1024;

/** What is done with a request. */
export interface Turn {
  begin(): void;
  /** Instead, where its connection has asked for too much for too long. */
  refuse(): void;
}

export interface ConversationLimits {
  readonly rate: MessageRate;
  /** Those who have to wait, of all connections. */
  readonly waiting: WaitingList;
}

const conversations = new WeakMap<Socket, Conversation>();

export function conversationOn(socket: Socket): Conversation | undefined {
  return conversations.get(socket);
}

/**
 * The requests of one connection, of which one at a time is under way: what many of them open, read and write at once would
 * be many times what a connection may cost. They are counted, and so are the bytes that came and went for them.
 */
export class Conversation implements Waiting {
  readonly #socket: Socket;
  readonly #limits: ConversationLimits;
  readonly #allowance: Allowance;
  /** The answers that have not been handed on, in the order of their requests. */
  readonly #answers = new Map<ServerResponse, Turn>();
  #isUnderWay = false;
  #countedBytes = 0;

  static of(socket: Socket, limits: ConversationLimits): Conversation {
    const known = conversations.get(socket);
    if (known) return known;
    const conversation = new Conversation(socket, limits);
    conversations.set(socket, conversation);
    return conversation;
  }

  private constructor(socket: Socket, limits: ConversationLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#allowance = new Allowance(limits.rate);
  }

  /** Oldest first. */
  get unanswered(): readonly ServerResponse[] {
    return [...this.#answers.keys()];
  }

  /** Whether there is no room for one more. */
  get isFull(): boolean {
    return this.#answers.size >= MAX_UNANSWERED;
  }

  /** @returns whether there was room for one more */
  add(answer: ServerResponse, turn: Turn): boolean {
    if (this.isFull) return false;
    this.#answers.set(answer, turn);
    this.#next();
    return true;
  }

  answered(answer: ServerResponse): void {
    this.#answers.delete(answer);
    this.#isUnderWay = false;
  }

  /** An answer of it is the next to be sent: Node.js has given it the socket. */
  assigned(): void {
    // Others come first.
    setImmediate(() => {
      this.#next();
    });
  }

  waitsUntil(nowMs: number): number | undefined {
    if (this.#socket.destroyed) return undefined;
    if (!this.#allowance.isReady(nowMs)) return this.#allowance.readyAtMs;
    this.#allowance.readOn(nowMs);
    this.#first?.begin();
    return undefined;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Whose turn it is. An answer that has no socket yet may never get one, as the one before it may be the last: it would
   * not emit `close`, by which whoever begins it lets go of what it takes up.
   */
  get #first(): Turn | undefined {
    for (const [answer, turn] of this.#answers) return answer.socket ? turn : undefined;
    return undefined;
  }

  #next(): void {
    const turn = this.#isUnderWay ? undefined : this.#first;
    // Of a connection that has ended nobody gets an answer any more.
    if (!turn || !this.#socket.writable) return;
    this.#isUnderWay = true;
    switch (this.#allowance.take(1 + this.#newBytes() / BYTES_OF_A_REQUEST, performance.now())) {
      case "go on":
        turn.begin();
        break;
      case "wait":
        this.#limits.waiting.add(this, this.#allowance.readyAtMs);
        break;
      case "too many":
        turn.refuse();
        break;
    }
  }

  #newBytes(): number {
    const { bytesRead, bytesWritten } = this.#socket;
    const bytes = bytesRead + bytesWritten;
    const before = this.#countedBytes;
    this.#countedBytes = bytes;
    return bytes - before;
  }
}
