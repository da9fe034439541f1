import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../telemetry/log.js";
import {
  BoardBusy,
  type Answers,
  type Board,
  type Lease,
  type Notice,
  type Teller,
} from "../ports.js";
import { ASKED_KEY, WATCHED_KEY } from "./board-keys.js";
import { readNames } from "./incoming/lists.js";
import { readOr } from "./incoming/values.js";
import { NODES_KEY } from "./leavers.js";
import type { Watch } from "./node-lease.js";
import type { Shards } from "./shards/shards.js";

/** How often a replica tells of itself while somebody looks. */
const TELL_MS = 2_000;
/** What it has told is old then: two tellings may be late. */
const REPORT_MS = 7_000;
/** Longer than it is between two looks, shorter than anybody would pay for nothing. */
const WATCHED_MS = 8_000;
/** A question of somebody who died while it waited is in nobody's way for longer. */
const ASKED_MS = 6_000;
const POLL_MS = 250;
/** Replicas that are read: more than any cluster has. */
const MAX_NODES = 256;
/** Longer texts are not ours. */
const MAX_TEXT_BYTES = 32_768;

function reportKey(node: string): string {
  return `inthon:node:{${node}}:report`;
}

function answerKey(node: string): string {
  return `inthon:node:{${node}}:answer`;
}

/**
 * {@link Board} in one short-lived key for each replica. That somebody looks, and what is asked, each replica hears with the
 * renewal of its lease, which is sent in any case: so nothing is sent for it while nobody looks.
 */
export class RedisBoard implements Board {
  readonly #shards: Shards;
  readonly #lease: Pick<Lease, "node">;
  readonly #log: Logger;
  #teller: Teller | undefined;
  #telling: NodeJS.Timeout | undefined;
  #isUnderWay = false;
  #isClosed = false;
  #isWatched = false;
  /** The nodes that there were at the last look. */
  #listed: readonly string[] = [];
  /** The newest question that this replica has answered. */
  #answered = "";

  constructor(shards: Shards, lease: Pick<Lease, "node">, log: Logger) {
    this.#shards = shards;
    this.#lease = lease;
    this.#log = log;
  }

  start(teller: Teller): void {
    this.#teller = teller;
  }

  tellNow(): void {
    if (this.#isWatched) this.#tell();
  }

  /** Told with each renewal of the lease. */
  onRenewed(watch: Watch): void {
    if (watch === undefined) return;
    this.#isWatched = watch !== "nobody";
    if (watch === "nobody") return;
    this.#keepTelling();
    const [id = "", ...words] = watch.question.split(" ");
    if (id === "" || id === this.#answered) return;
    this.#answered = id;
    const answer = this.#teller?.answer(words.join(" ")) ?? "";
    this.#put(answerKey(this.#lease.node), `${id} ${answer}`, ASKED_MS).catch(this.#onFailure);
  }

  async look(): Promise<readonly Notice[]> {
    this.#isWatched = true;
    this.#keepTelling();
    const [nodes] = await Promise.all([this.#nodes(), this.#put(WATCHED_KEY, "1", WATCHED_MS)]);
    const gone = this.#listed.filter((node) => !nodes.includes(node));
    this.#listed = nodes;
    return await Promise.all(
      [...nodes, ...gone].map(async (node) => ({
        node,
        report: await this.#read(reportKey(node)),
      })),
    );
  }

  async ask(question: string, timeoutMs: number): Promise<Answers> {
    const id = randomBytes(6).toString("hex");
    const deadline = performance.now() + timeoutMs;
    const [isMine, nodes] = await Promise.all([
      this.#isTurnOf(`${id} ${question}`),
      this.#nodes(),
      this.#put(WATCHED_KEY, "1", WATCHED_MS),
    ]);
    if (!isMine) throw new BoardBusy();
    try {
      const answers: string[] = [];
      let silent = nodes;
      while (silent.length > 0 && performance.now() < deadline) {
        await delay(POLL_MS);
        const read = await Promise.all(silent.map((node) => this.#read(answerKey(node))));
        const isMissing = (i: number) => read[i]?.startsWith(`${id} `) !== true;
        answers.push(...read.filter((_, i) => !isMissing(i)).map(String));
        silent = silent.filter((_, i) => isMissing(i));
      }
      return { texts: answers.map((text) => text.slice(id.length + 1)), silent: silent.length };
    } finally {
      await this.#withdraw(id).catch(this.#onFailure);
    }
  }

  /** Where Redis was slow, the question may have expired, and somebody else's be there. */
  async #withdraw(id: string): Promise<void> {
    const asked = await this.#read(ASKED_KEY);
    if (!asked?.startsWith(`${id} `)) return;
    await this.#shards.run(ASKED_KEY, (client) => client.del(ASKED_KEY));
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#telling);
  }

  readonly #onFailure = (error: unknown): void => {
    this.#log.debug({ err: error }, "what operators see waits for Redis");
  };

  #keepTelling(): void {
    if (this.#telling || this.#isClosed) return;
    this.#tell();
    this.#telling = setInterval(() => {
      if (this.#isWatched) {
        this.#tell();
        return;
      }
      clearInterval(this.#telling);
      this.#telling = undefined;
    }, TELL_MS).unref();
  }

  #tell(): void {
    const key = reportKey(this.#lease.node);
    // One at a time: where Redis hangs, nothing gathers.
    if (!this.#teller || this.#isUnderWay || !this.#shards.isReady(key)) return;
    this.#isUnderWay = true;
    this.#put(key, this.#teller.report(), REPORT_MS)
      .catch(this.#onFailure)
      .finally(() => {
        this.#isUnderWay = false;
      });
  }

  async #put(key: string, text: string, forMs: number): Promise<void> {
    const expiration = { type: "PX", value: forMs } as const;
    await this.#shards.run(key, (client) => client.set(key, text, { expiration }));
  }

  async #isTurnOf(question: string): Promise<boolean> {
    const options = {
      condition: "NX",
      expiration: { type: "PX", value: ASKED_MS },
    } as const;
    const reply = await this.#shards.run(ASKED_KEY, (client) =>
      client.set(ASKED_KEY, question, options),
    );
    return reply !== null;
  }

  async #nodes(): Promise<readonly string[]> {
    return (await readNames(this.#shards, NODES_KEY, MAX_NODES)).texts;
  }

  /** Never more than is ours, whoever has written it. */
  async #read(key: string): Promise<string | undefined> {
    const reading = this.#shards.run(key, (client) => client.getRange(key, 0, MAX_TEXT_BYTES));
    const text = (await readOr(reading, "", () => undefined)) ?? "";
    return text === "" || text.length > MAX_TEXT_BYTES ? undefined : text;
  }
}
