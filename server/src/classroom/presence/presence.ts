import { setTimeout as delay } from "node:timers/promises";
import type { Publisher } from "@inthon/emitter";
import type { SessionId } from "@inthon/emitter/protocol";
import { countPublished } from "../../cluster/count-published.js";
import type { Lease, PresenceState, PresenceStore, Teacher } from "../../cluster/ports.js";
import { within } from "../../cluster/retry.js";
import type { Counts } from "../../telemetry/counts.js";
import type { Logger } from "../../telemetry/log.js";
import { Changes } from "./changes.js";

/** Changes that a sweep or a check has under way at once. */
const BATCH = 50;
/** Teachers of nobody that are being taken out at once: somebody else may have put any number into Redis. */
const MAX_ABANDONING = 1_000;
/** Where Redis does not answer in this time, what it knows of the teachers may end before they are back. */
const KEEP_TIMEOUT_MS = 1_000;

export interface PresenceOptions {
  /** How long a teacher may be gone before that counts, in milliseconds. */
  readonly graceMs: number;
  readonly counts: Pick<Counts, "presenceChanges" | "published">;
  readonly log: Logger;
}

/** What is told later, as another change has just been told. */
interface Owed {
  /** Teachers who have left: their node's list has them until that has been told, for whoever sweeps it. */
  readonly left: Map<string, Teacher>;
  /** Resolves when it has been told, or is owed anew; rejects where another node has to tell it. */
  readonly told: Promise<void>;
}

/** The time for which a teacher may be gone. */
interface Grace {
  readonly sessionId: SessionId;
  readonly leftAt: number;
  readonly over: NodeJS.Timeout;
}

/** Keeps this node's teachers in the cluster's presence, sweeps those of dead nodes, and announces what changes. */
export class Presence {
  readonly #store: PresenceStore;
  readonly #publisher: Publisher;
  readonly #lease: Lease;
  readonly #graceMs: number;
  readonly #counts: PresenceOptions["counts"];
  readonly #log: Logger;
  readonly #closing = new AbortController();
  /** The teachers that this node holds, by socket, as they were last claimed. */
  readonly #held = new Map<string, Teacher>();
  readonly #going = new Set<string>();
  /** Sessions whose last state is told when a window is over, by then with the teachers to settle. */
  readonly #owed = new Map<SessionId, Owed>();
  /** Those who have left, and may still come back before that counts, by socket. */
  readonly #graces = new Map<string, Grace>();
  readonly #changes: Changes;
  #isDraining = false;
  #abandoning = 0;

  constructor(store: PresenceStore, publisher: Publisher, lease: Lease, options: PresenceOptions) {
    this.#store = store;
    this.#publisher = publisher;
    this.#lease = lease;
    this.#graceMs = options.graceMs;
    this.#counts = options.counts;
    this.#log = options.log;
    this.#changes = new Changes(this.#closing.signal, options.log);
  }

  /**
   * Resolves when the teacher is in the presence set and the session's students have been told if that is news.
   *
   * @param socketId - unique on this node
   * @param isWanted - asked before each attempt: whether the connection still lives
   */
  join(sessionId: SessionId, socketId: string, isWanted: () => boolean): Promise<void> {
    return this.#changes.run(sessionId, async () => {
      if (isWanted()) await this.#claim(sessionId, socketId, "join");
    });
  }

  /** Takes the teacher out, also where Redis is away: then as soon as it is back. */
  leave(sessionId: SessionId, socketId: string): void {
    if (this.#isDraining) {
      this.#handOver(sessionId, socketId);
      return;
    }
    const takeOut = () => {
      this.#graces.delete(socketId);
      this.#changes.inBackground(sessionId, async () => {
        const teacher = this.#held.get(socketId);
        if (!teacher) return;
        await this.#takeOut(teacher);
        this.#held.delete(socketId);
      });
    };
    if (this.#graceMs === 0) takeOut();
    else {
      const over = setTimeout(takeOut, this.#graceMs).unref();
      this.#graces.set(socketId, { sessionId, leftAt: performance.now(), over });
    }
  }

  /** Claims what this node holds anew, under the name that its lease has now, in all sessions or some. */
  claimAll(has: (sessionId: SessionId) => boolean = () => true): void {
    for (const teacher of this.#held.values()) if (has(teacher.sessionId)) this.claimAgain(teacher);
  }

  /** The cluster does not know a teacher that this node holds. */
  claimAgain({ sessionId, socketId }: Teacher): void {
    this.#changes.inBackground(sessionId, async () => {
      if (this.#held.has(socketId)) await this.#claim(sessionId, socketId, "claim");
    });
  }

  /** Takes out a teacher that nobody claims any more. */
  abandon(teacher: Teacher): void {
    // They will be found again.
    if (this.#abandoning >= MAX_ABANDONING) return;
    this.#abandoning++;
    this.#changes.inBackground(
      teacher.sessionId,
      () => this.#takeOut(teacher),
      () => {
        this.#abandoning--;
      },
    );
  }

  /**
   * Students believe what is not so: tells them.
   *
   * @param announced - the newest version that they are said to have been told
   * @param believes - asked in turn: what they believe now
   */
  correct(
    sessionId: SessionId,
    announced: number | undefined,
    believes: () => boolean | undefined,
  ): void {
    this.#changes.inBackground(sessionId, async () => {
      const { version: newest, waitMs } = await this.#store.check(sessionId);
      if (waitMs > 0) {
        // They are about to be told, if whoever owes it lives.
        this.#owe(sessionId, waitMs);
        return;
      }
      let version = newest;
      const belief = believes();
      if (belief === undefined || belief === isOnline(version)) return;
      if (announced !== undefined && (isOnline(announced) !== belief || version <= announced)) {
        // They are said to know this already, or something later: nothing would be news, nor under a known version.
        ({ version } = await this.#store.check(sessionId, Math.max(version, announced)));
        await this.#store.forgetAnnounced(sessionId);
      }
      await this.#announce(sessionId, version);
    });
  }

  /** Takes out the teachers of a node's name that has ended. Any number of nodes may do so at once, and any of them may die of it. */
  async sweep(node: string): Promise<void> {
    const owing = new Set<SessionId>();
    const takeOut = async (teacher: Teacher) => {
      const { sessionId } = teacher;
      await this.#changes.run(sessionId, () => this.#takeOut(teacher));
      if (this.#owed.has(sessionId)) owing.add(sessionId);
    };
    for await (const teachers of this.#store.heldBy(node)) {
      for (let i = 0; i < teachers.length; i += BATCH) {
        await Promise.all(teachers.slice(i, i + BATCH).map(takeOut));
      }
    }
    // Until then the dead node stays known, for whoever sweeps it where this one dies as well.
    for (const sessionId of owing) {
      for (let owed = this.#owed.get(sessionId); owed; owed = this.#owed.get(sessionId)) {
        await owed.told;
      }
    }
  }

  /** The teachers that this node holds, as they were last claimed. */
  get held(): ReadonlyMap<string, Teacher> {
    return this.#held;
  }

  /** Whether a teacher is held who is just being handed over: Redis may know it by its other name already. */
  isGoing(socketId: string): boolean {
    return this.#going.has(socketId);
  }

  /** Whether this node holds no teacher that would have to be swept. */
  get isEmpty(): boolean {
    return this.#held.size === 0 && this.#owed.size === 0;
  }

  /** From now on, teachers that leave are only going to another node. Those who left before have the time that they had. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Waits until what is under way is done and what is owed is told, or `timeoutMs` have passed, and hands over the rest. */
  async close(timeoutMs: number): Promise<void> {
    const giveUp = setTimeout(() => {
      this.#closing.abort();
    }, timeoutMs);
    // They may still come back, and may have done so.
    for (const [socketId, { sessionId, leftAt, over }] of this.#graces) {
      clearTimeout(over);
      this.#handOver(sessionId, socketId, leftAt);
    }
    for (const { sessionId, socketId } of this.#held.values()) this.#handOver(sessionId, socketId);
    const owed = [...this.#owed.values()].map(({ told }) => told);
    await Promise.allSettled([...this.#changes.underWay, ...owed]);
    clearTimeout(giveUp);
    // What is owed still is told by whoever sweeps this node's list.
    this.#closing.abort();
    // Whoever is still here goes with the node's own name.
    const kept = this.#store.keep([...this.#held.values()]);
    await within(KEEP_TIMEOUT_MS, kept).catch(() => undefined);
  }

  /** Whoever leaves a node that drains is believed: soon it is back on another one. Done as soon as Redis is there. */
  #handOver(sessionId: SessionId, socketId: string, leftAt = performance.now()): void {
    this.#changes.inBackground(sessionId, async () => {
      const teacher = this.#held.get(socketId);
      if (!teacher) return;
      this.#going.add(socketId);
      const node = await this.#lease.nameOnTheWay();
      await this.#store.handOver(teacher, node, performance.now() - leftAt);
      this.#held.delete(socketId);
      this.#going.delete(socketId);
    });
  }

  async #claim(sessionId: SessionId, socketId: string, change: "join" | "claim"): Promise<void> {
    const teacher = { sessionId, socketId, node: this.#lease.node };
    this.#held.set(socketId, teacher);
    await this.#tell(sessionId, await this.#store.change(teacher, change));
  }

  async #takeOut(teacher: Teacher): Promise<void> {
    await this.#tell(teacher.sessionId, await this.#store.change(teacher, "leave"), [teacher]);
  }

  /**
   * Tells a state now, or what is so when it may be told.
   *
   * @param left - teachers who have left: settled when that has been told
   */
  async #tell(
    sessionId: SessionId,
    { version, waitMs }: PresenceState,
    left: readonly Teacher[] = [],
  ): Promise<void> {
    if (waitMs > 0) {
      this.#owe(sessionId, waitMs, left);
      return;
    }
    await this.#announce(sessionId, version);
    // Last: a node that dies before this line leaves the announcement to whoever sweeps it.
    for (const teacher of left) await this.#store.settle(teacher);
  }

  /** Asks again when the window is over. It is told by whoever asks first: one for each replica that made a change. */
  #owe(sessionId: SessionId, waitMs: number, left: readonly Teacher[] = []): void {
    let owed = this.#owed.get(sessionId);
    if (!owed) {
      owed = { left: new Map(), told: this.#tellAfter(sessionId, waitMs) };
      this.#owed.set(sessionId, owed);
      owed.told.catch((error: unknown) => {
        if (this.#closing.signal.aborted || this.#isDraining) return;
        this.#log.error({ err: error, session: sessionId }, "presence could not be told");
      });
    }
    for (const teacher of left) owed.left.set(`${teacher.node}/${teacher.socketId}`, teacher);
  }

  async #tellAfter(sessionId: SessionId, waitMs: number): Promise<void> {
    await delay(waitMs, undefined, { signal: this.#closing.signal, ref: false });
    const left = this.#owed.get(sessionId)?.left ?? new Map<string, Teacher>();
    this.#owed.delete(sessionId);
    await this.#changes.run(sessionId, async () => {
      await this.#tell(sessionId, await this.#store.check(sessionId), [...left.values()]);
    });
  }

  /**
   * Announces a state, unless it or a later one has been announced. Always asked, also where this node's change made no
   * new state: whoever made it may have died before announcing it.
   */
  async #announce(sessionId: SessionId, version: number): Promise<void> {
    const event = {
      event: "teacher_presence",
      is_online: isOnline(version),
      changed_at: new Date().toISOString(),
    } as const;
    const publication = {
      sessionId,
      event,
      version,
      // With a space: no caller can give it.
      idempotencyKey: `presence ${String(version)}`,
    };
    const published = this.#publisher.publish([publication], this.#closing.signal);
    const results = await countPublished(this.#counts, "presence", [event], published);
    if (results[0]?.duplicate === false) this.#counts.presenceChanges++;
  }
}

/** What a version says: whether a teacher is there. */
export function isOnline(version: number): boolean {
  return version % 2 === 1;
}
