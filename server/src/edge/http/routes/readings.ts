import { setTimeout as delay } from "node:timers/promises";
import type { FastifyRequest } from "fastify";
import { untilDoneWithin } from "../../../cluster/retry.js";
import type { Refusals } from "../../../telemetry/refusals.js";
import type { ClientAddresses } from "../../gate/client-addresses.js";
import { HttpProblem } from "../problems.js";
import { sessionIn } from "../refused.js";
import { RETRY_AFTER } from "./unavailable.js";

/** Histories that are read at the same time: each has one bounded piece under way to Redis, which others wait behind. */
const MAX_UNDER_WAY = 2;
/**
 * What is read of all of them in a second, in bytes: a tenth of a processor's time, at 10 ms for each MiB. Mostly garbage
 * collection, in which nobody is told anything.
 */
const BYTES_PER_S = 8 * 1024 * 1024;
/** But so many pages in any case, however long this deployment has them. */
const PAGES_PER_S = 2;
/** What may be read at once, in milliseconds of that. */
const BURST_MS = 500;
/** And those that wait for their turn, together with them. */
const MAX_OF_ALL = 128;
/** Of these, those of one address, or where it is not known whose that is, of one connection. */
const MAX_OF_ONE = 16;
/** What a reader waits for its turn, and for Redis to answer or to be back. */
const READ_TIMEOUT_MS = 3_000;

/** To be awaited when so many bytes of a history have been read; throws where nobody waits for more. */
export type Rest = (bytes: number) => Promise<void>;

/** Whoever has waited for others is told so where Redis has answered so short a time ago: else it is Redis that is waited for. */
const RECENT_MS = 1_000;

interface Reader {
  /** Whether it had to wait for others. */
  hasWaited: boolean;
}

/** Lets few read histories at the same time, so that what else Redis is asked for does not wait behind them. */
export class Readings {
  readonly #addresses: ClientAddresses;
  readonly #refusals: Refusals;
  readonly #bytesPerS: number;
  readonly #ofOne = new Map<unknown, number>();
  /** Those whose turn comes, in their order, and what begins it. */
  readonly #waiting = new Map<Reader, () => void>();
  #underWay = 0;
  /** When what has been read would have taken its time. */
  #doneAtMs = 0;
  /** When Redis has answered one of them last. */
  #answeredAtMs = 0;
  #all = 0;

  /** @param pageBytes - of events in one answer, at most */
  constructor(addresses: ClientAddresses, refusals: Refusals, pageBytes: number) {
    this.#bytesPerS = Math.max(BYTES_PER_S, PAGES_PER_S * pageBytes);
    this.#addresses = addresses;
    this.#refusals = refusals;
  }

  /**
   * @param read - begun when it is its turn, and again where Redis fails; ends where its client has gone or was told so
   * @throws HttpProblem 429 or 503 where too many read already, or so many that its turn does not come
   */
  async among<T>({ raw, signal }: FastifyRequest, read: (rest: Rest) => Promise<T>): Promise<T> {
    if (raw.destroyed) throw new Error("nobody waits for this history");
    const one = this.#addresses.ownerOf(raw) ?? raw.socket;
    const before = this.#ofOne.get(one) ?? 0;
    if (before >= MAX_OF_ONE) throw this.#refuse(raw, 429, "of this address");
    if (this.#all >= MAX_OF_ALL) throw this.#refuse(raw, 503, "here");
    this.#ofOne.set(one, before + 1);
    this.#all++;
    const reader: Reader = { hasWaited: false };
    const inTurn = (over: AbortSignal) => this.#inTurn(reader, over, read);
    try {
      return await untilDoneWithin(READ_TIMEOUT_MS, inTurn, signal);
    } catch (error) {
      const hangs = performance.now() - this.#answeredAtMs > RECENT_MS;
      if (signal.aborted || !reader.hasWaited || hangs) throw error;
      throw this.#refuse(raw, 503, "here");
    } finally {
      this.#all--;
      const after = (this.#ofOne.get(one) ?? 1) - 1;
      if (after > 0) this.#ofOne.set(one, after);
      else this.#ofOne.delete(one);
    }
  }

  async #inTurn<T>(
    reader: Reader,
    over: AbortSignal,
    read: (rest: Rest) => Promise<T>,
  ): Promise<T> {
    if (this.#underWay < MAX_UNDER_WAY) this.#underWay++;
    else await this.#turn(reader, over);
    try {
      over.throwIfAborted();
      return await read((bytes) => this.#rest(reader, bytes, over));
    } finally {
      this.#handOn();
    }
  }

  /** Whoever is done hands on its place; who goes meanwhile leaves nothing behind. */
  #turn(reader: Reader, over: AbortSignal): Promise<void> {
    reader.hasWaited = true;
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(reader);
        reject(over.reason as Error);
      };
      over.addEventListener("abort", leave);
      this.#waiting.set(reader, () => {
        over.removeEventListener("abort", leave);
        resolve();
      });
    });
  }

  #handOn(): void {
    for (const [reader, begin] of this.#waiting) {
      this.#waiting.delete(reader);
      begin();
      return;
    }
    this.#underWay--;
  }

  async #rest(reader: Reader, bytes: number, over: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    this.#answeredAtMs = nowMs;
    this.#doneAtMs = Math.max(this.#doneAtMs, nowMs - BURST_MS) + (bytes / this.#bytesPerS) * 1_000;
    // Also for somebody who has gone: those who ask and go read at this pace, too.
    if (this.#doneAtMs > nowMs) {
      reader.hasWaited = true;
      await delay(this.#doneAtMs - nowMs);
    }
    over.throwIfAborted();
  }

  #refuse(raw: FastifyRequest["raw"], status: 429 | 503, where: string): HttpProblem {
    const detail = `as many histories are read ${where} as may be at the same time: try again in a second`;
    // This one is noted where problems are sent.
    if (status === 503) return new HttpProblem(503, "overloaded", detail, { headers: RETRY_AFTER });
    this.#refusals.note("too_many_messages", () => {
      const address = this.#addresses.of(raw);
      return { ...sessionIn(raw.url), protocol: "http", address, why: detail };
    });
    return new HttpProblem(429, "too_many_messages", detail, { headers: RETRY_AFTER });
  }
}
