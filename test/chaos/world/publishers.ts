import { setTimeout as delay } from "node:timers/promises";
import { connect, EmitterError, type Emitter, type PublishResult } from "@inthon/emitter";
import { parseOffset, ROLES, type ClassroomEventInput } from "@inthon/emitter/protocol";
import type { Target } from "./line.js";
import type { Random } from "../random.js";
import { Poster } from "./poster.js";
import { connectSwallowing } from "./swallow.js";
import { idOf, type Truth } from "../judge/truth.js";

const TICK_MS = 20;
const MAX_BATCH = 3;
/** Calls that wait for an answer at one time: past it publishers slow down. */
const MAX_PENDING = 200;
/** How long nearly all publishers go on trying, which is longer than any outage here; and the others. */
const PATIENCE_MS = { most: 60_000, few: 400 };
const FEW = 0.02;
/** Longer than the server's own limit. */
const REQUEST_TIMEOUT_MS = 5_000;
const RETRY_MS = { min: 50, spread: 200 };

export interface PublisherOptions {
  /** Where each emitter reaches Redis. */
  readonly redisUrls: readonly string[];
  /** Where the one whose messages are swallowed does, if there is to be one. */
  readonly swallowingUrl?: string;
  /** As the setting of emitters; by default none. */
  readonly waitReplicas?: number;
  readonly historyLimit: number;
  readonly sessions: readonly string[];
  /** Events in a second. */
  readonly rate: number;
  readonly random: Random;
  readonly truth: Truth;
  /** How many of the calls, from 0 to 1, have their Pub/Sub messages swallowed. */
  readonly swallowed: number;
  /** Chooses the replica for the next HTTP request. */
  readonly choose: () => Target;
  /** Told of each call that is accepted. */
  readonly onAccepted?: (session: string) => void;
}

type Swallowing = Awaited<ReturnType<typeof connectSwallowing>>;

/** Services that publish, half of them through Redis and half over HTTP, each under idempotency keys of its own. */
export class Publishers {
  accepted = 0;
  givenUp = 0;
  /** Accepted calls that were answered as a repetition: the first answer was lost on its way. */
  repeated = 0;
  /** Events that were put into history only. */
  swallowed = 0;
  readonly #options: PublisherOptions;
  readonly #emitters: readonly Emitter[];
  readonly #swallowing: Swallowing | undefined;
  readonly #poster = new Poster();
  readonly #pending = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #made = 0;
  #isPaused = false;

  private constructor(
    options: PublisherOptions,
    emitters: readonly Emitter[],
    swallowing: Swallowing | undefined,
  ) {
    this.#options = options;
    this.#emitters = emitters;
    this.#swallowing = swallowing;
    this.#loop = this.#run();
  }

  static async start(options: PublisherOptions): Promise<Publishers> {
    const { redisUrls, swallowingUrl, historyLimit, waitReplicas = 0 } = options;
    const emitters = redisUrls.map((url) => connect(url, { historyLimit, waitReplicas }));
    const swallowing =
      swallowingUrl === undefined
        ? undefined
        : await connectSwallowing(swallowingUrl, historyLimit);
    return new Publishers(options, await Promise.all(emitters), swallowing);
  }

  /** Calls that wait for an answer. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Publishes nothing new, and resolves when what was begun is accepted or given up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.pause();
  }

  /** Publishes nothing new for a while, and resolves when what was begun is accepted or given up. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  resume(): void {
    this.#isPaused = false;
  }

  /** Publishes the last event of each session, which goes to both rooms of it. */
  async finish(): Promise<void> {
    const { sessions, truth } = this.#options;
    const last = sessions.map(async (session) => {
      const [event] = this.#makeEvents(1, "question_like_update");
      if (!event) return;
      const offsets = await this.#publish(session, [event], this.#emitters[0], PATIENCE_MS.most);
      for (const role of ROLES) {
        truth.room(session, role).sentinel = parseOffset(offsets?.[0]?.offsets[role]);
      }
    });
    await Promise.all(last);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    const emitters = [...this.#emitters, ...(this.#swallowing ? [this.#swallowing] : [])];
    this.#poster.close();
    await Promise.all(emitters.map((emitter) => emitter.close()));
  }

  async #run(): Promise<void> {
    const { rate, sessions, random } = this.#options;
    let due = 0;
    let before = Date.now();
    while (!this.#stopping.signal.aborted) {
      const now = Date.now();
      if (!this.#isPaused) due = Math.min(due + ((now - before) * rate) / 1_000, rate);
      before = now;
      while (due >= 1 && !this.#isPaused && this.#pending.size < MAX_PENDING) {
        const events = this.#makeEvents(Math.min(Math.floor(due), random.between(1, MAX_BATCH)));
        due -= events.length;
        const emitter = this.#chooseEmitter();
        if (emitter && emitter === this.#swallowing?.emitter) this.swallowed += events.length;
        const patienceMs = random.next() < FEW ? PATIENCE_MS.few : PATIENCE_MS.most;
        const call = this.#publish(random.pick(sessions), events, emitter, patienceMs);
        const settled = call.then(() => {
          this.#pending.delete(settled);
        });
        this.#pending.add(settled);
      }
      await delay(TICK_MS);
    }
  }

  /** One of those on Redis, or nobody: then it is HTTP. */
  #chooseEmitter(): Emitter | undefined {
    const { random, swallowed } = this.#options;
    if (random.next() < swallowed) return this.#swallowing?.emitter;
    return random.next() < 0.5 ? random.pick(this.#emitters) : undefined;
  }

  #makeEvents(count: number, kind?: ClassroomEventInput["event"]): ClassroomEventInput[] {
    return Array.from({ length: count }, () => {
      const id = ++this.#made;
      const possible = EVENTS.map((make) => make(id));
      return possible.find(({ event }) => event === kind) ?? this.#options.random.pick(possible);
    });
  }

  async #publish(
    session: string,
    events: readonly ClassroomEventInput[],
    emitter: Emitter | undefined,
    patienceMs: number,
  ): Promise<readonly PublishResult[] | undefined> {
    const ids = events.map((event) => idOf({ ...event }));
    const key = `chaos-${ids[0] ?? ""}`;
    try {
      const results = emitter
        ? await this.#emit(emitter, session, events, key, patienceMs)
        : await this.#post(session, events, key, patienceMs);
      if (!results) {
        this.givenUp += events.length;
        if (patienceMs === PATIENCE_MS.most) {
          const what = `${key} was not accepted within ${patienceMs} ms`;
          this.#options.truth.findings.add("hung", 1, `publishing to ${session}`, what);
        }
        return undefined;
      }
      this.accepted += events.length;
      this.#options.onAccepted?.(session);
      for (const [i, id] of ids.entries()) this.#note(session, id, results[i]);
      return results;
    } catch (error) {
      this.#complain(session, key, String(error));
      return undefined;
    }
  }

  #note(session: string, id: string, result: PublishResult | undefined): void {
    if (result?.duplicate === true) this.repeated++;
    for (const role of ROLES) {
      const offset = result?.offsets[role];
      if (offset === undefined) continue;
      const position = parseOffset(offset);
      if (position) this.#options.truth.room(session, role).promise(position, id);
      else this.#complain(session, id, `accepted at ${offset}, which is not an offset`);
    }
  }

  /** Repeats what Redis refuses for a while: full, read-only, loading. */
  async #emit(
    emitter: Emitter,
    session: string,
    events: readonly ClassroomEventInput[],
    key: string,
    patienceMs: number,
  ): Promise<readonly PublishResult[] | undefined> {
    const giveUpAt = Date.now() + patienceMs;
    for (let leftMs = patienceMs; leftMs > 0; leftMs = giveUpAt - Date.now()) {
      try {
        return await emitter.emitAll(session, events, { idempotencyKey: key, timeoutMs: leftMs });
      } catch (error) {
        if (!(error instanceof EmitterError) || !error.retryable) throw error;
      }
      await delay(RETRY_MS.min + Math.random() * RETRY_MS.spread);
    }
    return undefined;
  }

  /** As a service in any language does it: the same request again, under the same key, until it is answered. */
  async #post(
    session: string,
    events: readonly ClassroomEventInput[],
    key: string,
    patienceMs: number,
  ): Promise<readonly PublishResult[] | undefined> {
    const giveUpAt = Date.now() + patienceMs;
    while (Date.now() < giveUpAt) {
      const { name, port } = this.#options.choose();
      try {
        const { status, body } = await this.#poster.post(
          `http://127.0.0.1:${port}/sessions/${session}/events`,
          { "idempotency-key": key },
          events,
          Math.min(REQUEST_TIMEOUT_MS, giveUpAt - Date.now()),
        );
        if (status === 202) return body as PublishResult[];
        if (status < 500) {
          this.#complain(session, key, `${name} answered ${status}`);
          return undefined;
        }
      } catch {
        // No answer, or half of one.
      }
      await delay(RETRY_MS.min + Math.random() * RETRY_MS.spread);
    }
    return undefined;
  }

  #complain(session: string, what: string, why: string): void {
    const { findings } = this.#options.truth;
    findings.add("broken", 1, `publishing to ${session}`, `${what}: ${why}`);
  }
}

/** One event for each kind of audience and more, with a number that names it. */
const EVENTS: readonly ((id: number) => ClassroomEventInput)[] = [
  (id) => ({ event: "question_like_update", question_id: id, like_count: id % 7 }),
  (id) => ({ event: "new_question", question_id: id, cleaned_text: `?${id}`, capture_url: null }),
  (id) => ({ event: "question_capture", question_id: id, capture_url: "/capture.png" }),
  (id) => ({ event: "important", note: String(id), capture_url: null }),
  (id) => ({ event: "hard_alert", capture_url: `/hard/${id}` }),
  (id) => ({ event: "question_intent", question_id: id }),
];
