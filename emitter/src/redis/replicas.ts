import { setTimeout as delay } from "node:timers/promises";
import { EmitterError } from "../errors.js";
import { isReadOnly, isReply } from "./connection/client.js";
import { Link } from "./connection/link.js";
import type { RedisRoute } from "./connection/route.js";
import { isDenial, toEmitterError } from "./redis-errors.js";

/** Written before each wait: WAIT waits for what its own connection has written last, and so for all that came before. */
export const WAITED_KEY = "inthon:waited";
const WAITED_TTL_MS = 60_000;
/** Of the time that a link may hang unnoticed, how long one wait may take: a proof may have to stand behind it. */
const WAIT_PART = 1 / 10;

/**
 * Whoever waits again is in the next round with all others: where another Redis has become the primary they hear of it
 * together, and publish again in their order.
 */
const NEXT_ROUND_MS = 10;

/** What waits for replicas. */
interface Waiting {
  /** Of the Redis that answered it. */
  readonly incarnation: string;
  resolve(): void;
  reject(error: EmitterError): void;
}

export interface ReplicasOptions {
  /** How many of them. */
  readonly count: number;
  readonly linkTimeoutMs: number;
  /**
   * What is written before each wait, where not every key can be. Begins with `inthon:waited`.
   *
   * @param isRefused - whether the one before is another Redis's, or on its way to it
   */
  readonly key?: (isRefused: boolean) => string;
  /** Told of each connection that failed. */
  readonly onError?: (error: Error) => void;
  /** Told when so many do not answer, and when they do again. */
  readonly onChange?: (lacking: Error | undefined) => void;
}

/**
 * Waits until replicas of Redis have what was published.
 *
 * On a link of its own: WAIT blocks its connection, and a replica that hangs would hold up everything else on it. One wait is
 * under way at a time, for all who came before it began; so however much is published, it is three commands for each way
 * there and back. What it confirms was published by the same incarnation of Redis: another one may never have heard of it.
 */
export class Replicas {
  readonly link: Link;
  readonly #options: ReplicasOptions;
  #waiting: Waiting[] = [];
  #isUnderWay = false;
  /** Whether the key of the last wait is another one's, or about to be. */
  #isElsewhere = false;
  #lacking: Error | undefined;

  constructor(route: RedisRoute, options: ReplicasOptions) {
    this.#options = options;
    const { linkTimeoutMs: timeoutMs, onError } = options;
    this.link = new Link(route, {
      timeoutMs,
      // Whether it may ask is known before anybody waits.
      prove: async (inTime) => {
        await inTime(this.#wait(0)).catch((error: unknown) => {
          // What else it refuses is told to those who wait.
          if (!isReply(error) || isDenial(error) || isReadOnly(error)) throw error;
        });
      },
      ...(onError && { onError }),
    });
  }

  /**
   * Resolves when enough replicas have all that was published until now.
   *
   * @param incarnation - of the Redis that has published it
   * @throws EmitterError `redis_not_replicated` where too few answer in time, `unavailable` where that is not known: it is
   *   published all the same, and may be lost
   */
  acknowledge(incarnation: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ incarnation, resolve, reject });
      if (this.#isUnderWay) return;
      this.#isUnderWay = true;
      // Together with all that was answered in the same turn.
      setImmediate(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      const { count } = this.#options;
      try {
        const { incarnation, acknowledged } = await this.#wait(count);
        const lacking = acknowledged >= count ? undefined : tooFew(acknowledged, count);
        this.#note(lacking);
        for (const one of waiting) {
          // It may have lost what the one before had: then it has to be published again.
          if (one.incarnation !== incarnation)
            one.reject(notKnown("another Redis is the primary by now"));
          else if (lacking) one.reject(lacking);
          else one.resolve();
        }
        if (lacking) await delay(NEXT_ROUND_MS);
      } catch (error) {
        // What Redis said last is what somebody can do something about.
        const cause = !isReply(error) && isReply(this.link.trouble) ? this.link.trouble : error;
        // No repetition helps where it may not ask.
        const refusal = isDenial(cause) ? toEmitterError(cause) : cause;
        const why = refusal instanceof Error ? refusal.message : "the connection failed";
        const unknown = `whether ${String(count)} of its replicas have it is not known (${why})`;
        for (const one of waiting) one.reject(notKnown(unknown, refusal));
      }
    }
    this.#isUnderWay = false;
  }

  async #wait(count: number): Promise<{ incarnation: string; acknowledged: number }> {
    const { client } = this.link;
    const { key = () => WAITED_KEY } = this.#options;
    const waited = key(this.#isElsewhere);
    this.#isElsewhere = false;
    const timeoutMs = this.#options.linkTimeoutMs * WAIT_PART;
    // In this order, and by one write.
    const [, info, acknowledged] = await Promise.all([
      client
        .set(waited, "", { expiration: { type: "PX", value: WAITED_TTL_MS } })
        .catch((error: unknown) => {
          this.#isElsewhere = isReply(error) && /^(?:ASK|MOVED|TRYAGAIN)\b/.test(error.message);
          throw error;
        }),
      client.info("replication"),
      client.wait(count, Math.ceil(timeoutMs)),
    ]);
    return { incarnation: incarnationIn(info), acknowledged };
  }

  #note(lacking: Error | undefined): void {
    if ((lacking === undefined) === (this.#lacking === undefined)) return;
    this.#lacking = lacking;
    this.#options.onChange?.(lacking);
  }
}

function tooFew(acknowledged: number, count: number): EmitterError {
  const have = `${String(acknowledged)} of the ${String(count)} replicas that are waited for have it`;
  return new EmitterError("redis_not_replicated", `it may be published, but ${have}`);
}

/** @param cause - where it is an answer, no repetition may help */
function notKnown(why: string, cause?: unknown): EmitterError {
  return new EmitterError("unavailable", `it may be published, but ${why}`, { cause });
}

/** As `incarnationOfRedis` in `standing.lua`: that of a primary, else ''. */
function incarnationIn(info: string): string {
  if (!info.includes("role:master")) return "";
  return /\bmaster_replid:(\w+)/.exec(info)?.[1] ?? "";
}
