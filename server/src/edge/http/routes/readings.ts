import { setTimeout as delay } from "node:timers/promises";
import type { FastifyRequest } from "fastify";
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

/** To be awaited when so many bytes of a history have been read. */
export type Rest = (bytes: number) => Promise<void>;

/** Reads when it is its turn. */
export type InTurn = <T>(read: (rest: Rest) => Promise<T>) => Promise<T>;

/** What part of a time was spent with something. */
class Stopwatch {
  readonly #startedAt = performance.now();
  /** Since when it has been done, if it is being done. */
  #since: number | undefined = this.#startedAt;
  #spentMs = 0;

  begin(): void {
    this.#since = performance.now();
  }

  end(): void {
    this.#spentMs += this.#now();
    this.#since = undefined;
  }

  /** From 0 to 1. */
  get share(): number {
    return (this.#spentMs + this.#now()) / (performance.now() - this.#startedAt);
  }

  #now(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since;
  }
}

/** Lets few read histories at the same time, so that what else Redis is asked for does not wait behind them. */
export class Readings {
  readonly #addresses: ClientAddresses;
  readonly #refusals: Refusals;
  readonly #bytesPerS: number;
  readonly #ofOne = new Map<unknown, number>();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  /** When what has been read would have taken its time. */
  #doneAtMs = 0;
  #all = 0;

  /** @param pageBytes - of events in one answer, at most */
  constructor(addresses: ClientAddresses, refusals: Refusals, pageBytes: number) {
    this.#bytesPerS = Math.max(BYTES_PER_S, PAGES_PER_S * pageBytes);
    this.#addresses = addresses;
    this.#refusals = refusals;
  }

  /**
   * @param work - reads in turns, each of which begins nothing where its client has gone by then, or the work is done
   * @throws HttpProblem 429 or 503 where too many read already, or so many that its turn does not come
   */
  async among<T>({ raw }: FastifyRequest, work: (inTurn: InTurn) => Promise<T>): Promise<T> {
    const { socket } = raw;
    const one = this.#addresses.ownerOf(raw) ?? socket;
    const before = this.#ofOne.get(one) ?? 0;
    if (before >= MAX_OF_ONE) throw this.#refuse(raw, 429, "of this address");
    if (this.#all >= MAX_OF_ALL) throw this.#refuse(raw, 503, "here");
    this.#ofOne.set(one, before + 1);
    this.#all++;
    let isDone = false;
    // For its turn, or for what may be read in a second: and not for Redis.
    const waits = new Stopwatch();
    const rest: Rest = async (bytes) => {
      waits.begin();
      await this.#rest(bytes);
      waits.end();
    };
    try {
      return await work((read) =>
        this.#inTurn(
          () => isDone || socket.destroyed,
          () => {
            waits.end();
            return read(rest);
          },
        ),
      );
    } catch (error) {
      if (socket.destroyed || waits.share < 0.5) throw error;
      throw this.#refuse(raw, 503, "here");
    } finally {
      isDone = true;
      this.#all--;
      const after = (this.#ofOne.get(one) ?? 1) - 1;
      if (after > 0) this.#ofOne.set(one, after);
      else this.#ofOne.delete(one);
    }
  }

  async #rest(bytes: number): Promise<void> {
    const nowMs = performance.now();
    this.#doneAtMs = Math.max(this.#doneAtMs, nowMs - BURST_MS) + (bytes / this.#bytesPerS) * 1_000;
    if (this.#doneAtMs > nowMs) await delay(this.#doneAtMs - nowMs);
  }

  async #inTurn<T>(isForNobody: () => boolean, read: () => Promise<T>): Promise<T> {
    if (this.#underWay < MAX_UNDER_WAY) this.#underWay++;
    // Whoever is done hands on its place.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (isForNobody()) throw new Error("nobody waits for this history");
      return await read();
    } finally {
      this.#handOn();
    }
  }

  #handOn(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#underWay--;
  }

  #refuse(raw: FastifyRequest["raw"], status: 429 | 503, where: string): HttpProblem {
    const code = status === 429 ? "too_many_messages" : "overloaded";
    const detail = `as many histories are read ${where} as may be at the same time: try again in a second`;
    // The other one is noted where problems are sent.
    if (code === "too_many_messages") {
      this.#refusals.note(code, () => {
        const address = this.#addresses.of(raw);
        return { ...sessionIn(raw.url), protocol: "http", address, why: detail };
      });
    }
    return new HttpProblem(status, code, detail, { headers: RETRY_AFTER });
  }
}
