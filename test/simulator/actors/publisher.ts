import { connect, EmitterError, type Emitter } from "@inthon/emitter";
import { SimulatedProcess } from "../world/simulated-process.js";
import type { World } from "../world/world.js";

/** An event that a publisher emits: each is told from all others by its number, which is in it. */
export interface Emission {
  readonly id: number;
  readonly session: string;
  readonly name: "question_intent" | "question_capture" | "new_question";
  readonly key: string | undefined;
  readonly isLong: boolean;
  outcome: "under way" | "resolved" | "rejected" | "nobody knows";
  offsets: Readonly<Partial<Record<"teacher" | "student", string>>>;
  duplicate: boolean;
  error: string | undefined;
}

/** Nearly as long as an event may be: a page of history has some of them. */
const LONG_TEXT = "long ".repeat(12_500);

const CONNECT_AGAIN_MS = 100;

/** A service that emits. */
export class PublisherActor {
  readonly name: string;
  readonly #world: World;
  readonly #url: string;
  readonly #historyLimit: number;
  readonly #waitReplicas: number;
  readonly #onSettled: (emission: Emission) => void;
  #process: SimulatedProcess | undefined;
  #emitter: Emitter | undefined;
  #generation = 0;
  readonly #underWay = new Set<Emission>();

  /** @param historyLimit - the servers' */
  constructor(
    world: World,
    name: string,
    {
      url,
      historyLimit,
      waitReplicas,
    }: { url: string; historyLimit: number; waitReplicas: number },
    onSettled: (emission: Emission) => void,
  ) {
    this.#world = world;
    this.name = name;
    this.#url = url;
    this.#historyLimit = historyLimit;
    this.#waitReplicas = waitReplicas;
    this.#onSettled = onSettled;
  }

  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  start(): void {
    if (this.#process?.isAlive === true) return;
    const { random } = this.#world;
    const process = new SimulatedProcess(
      this.#world,
      `${this.name}.${String(++this.#generation)}`,
      { rate: 1 + random.between(-1e-4, 1e-4), aheadMs: random.between(-2_000, 2_000) },
    );
    this.#process = process;
    this.#emitter = undefined;
    process.onEnd(() => {
      for (const emission of this.#underWay) emission.outcome = "nobody knows";
      this.#underWay.clear();
    });
    process.arrive(() => {
      this.#connect(process);
    });
  }

  kill(): void {
    this.#process?.kill();
  }

  /** @returns whether somebody is there who does it */
  emit(emission: Emission, timeoutMs: number): boolean {
    const { process } = this;
    if (process?.isAlive !== true || !this.#emitter) return false;
    this.#underWay.add(emission);
    process.arrive(() => {
      const { id, session, name, key, isLong } = emission;
      const settle = (outcome: Emission["outcome"]) => {
        emission.outcome = outcome;
        this.#underWay.delete(emission);
        this.#onSettled(emission);
      };
      const options = { timeoutMs, ...(key !== undefined && { idempotencyKey: key }) };
      const payload =
        name === "question_intent"
          ? { question_id: id }
          : name === "question_capture"
            ? { question_id: id, capture_url: null }
            : { question_id: id, cleaned_text: isLong ? LONG_TEXT : "?", capture_url: null };
      this.#emitter?.emitAll(session, [{ event: name, ...payload }] as never, options).then(
        ([result]) => {
          emission.offsets = result?.offsets ?? {};
          emission.duplicate = result?.duplicate ?? false;
          settle("resolved");
        },
        (error: unknown) => {
          emission.error = error instanceof EmitterError ? error.code : String(error);
          this.#world.tell(process.name, `emit ${String(id)} is rejected: ${String(error)}`);
          settle("rejected");
        },
      );
    });
    return true;
  }

  #connect(process: SimulatedProcess): void {
    const historyLimit = this.#historyLimit;
    const waitReplicas = this.#waitReplicas;
    connect(this.#url, { connectTimeoutMs: 20_000, historyLimit, waitReplicas }).then(
      (emitter) => {
        this.#emitter = emitter;
        this.#world.tell(process.name, "is connected");
      },
      (error: unknown) => {
        this.#world.tell(process.name, `cannot connect: ${String(error)}`);
        this.#world.after(CONNECT_AGAIN_MS, () => {
          process.arrive(() => {
            this.#connect(process);
          });
        });
      },
    );
  }
}
