import type { SessionId } from "@inthon/emitter/protocol";
import {
  RENEWALS,
  type Lease,
  type PresenceStore,
  type PresenceView,
  type Teacher,
} from "../../cluster/ports.js";
import type { Logger } from "../../telemetry/log.js";
import { isOnline, type Presence } from "./presence.js";
import { Round } from "../../cluster/round.js";

/** What a node does in parts, it has done once in this many renewals of its lease. */
const CHECK_TURNS = RENEWALS;
/** By then a fault that was seen for the first time has been mended by whoever claims its teachers, or is one. */
const SECOND_LOOK_TURNS = RENEWALS / 2;
const CLAIM_TURNS = SECOND_LOOK_TURNS - 1;
/** Sessions that are looked at in one go where all of them are. */
const BATCH = 200;

/** What the students that this node holds believe of their teachers. */
export interface Beliefs {
  /** The sessions of which it holds students. */
  sessions(): Iterable<SessionId>;
  /** Whether they believe that the teacher is there; `undefined` where that is not known for sure just now. */
  of(sessionId: SessionId): boolean | undefined;
}

/** A session in which something was not as it should be. */
interface Suspicion {
  readonly dueTurn: number;
  readonly abandoned: ReadonlySet<string>;
  /** What Redis says that students were told, where they believe something else. */
  readonly announced: number | undefined;
}

/**
 * Keeps presence true where Redis does not: whatever of it is deleted, evicted or older than it was.
 *
 * A node goes over all that it holds, a part with each renewal of its lease: what the cluster has forgotten of its
 * teachers it claims again, and what its students believe it compares with what is so. Whatever else is wrong may be
 * about to be mended by another node, so it is looked at once more, half a lease later, before anything is done.
 */
export class PresenceUpkeep {
  readonly #store: PresenceStore;
  readonly #lease: Lease;
  readonly #presence: Presence;
  readonly #beliefs: Beliefs;
  readonly #log: Logger;
  readonly #claims = new Round<Teacher>(CLAIM_TURNS);
  readonly #checks = new Round<SessionId>(CHECK_TURNS);
  readonly #suspicions = new Map<SessionId, Suspicion>();
  #turn = 0;
  #isBusy = false;

  constructor(
    store: PresenceStore,
    lease: Lease,
    presence: Presence,
    beliefs: Beliefs,
    log: Logger,
  ) {
    this.#store = store;
    this.#lease = lease;
    this.#presence = presence;
    this.#beliefs = beliefs;
    this.#log = log;
  }

  /** Looks at all sessions at once: every node has just claimed what it holds. */
  checkAll(): void {
    this.#once(async () => {
      const sessions = [...this.#beliefs.sessions()];
      for (let i = 0; i < sessions.length; i += BATCH) {
        for (const view of await this.#view(sessions.slice(i, i + BATCH))) this.#judge(view, true);
      }
    });
  }

  /** The next part, with a renewal of the lease. */
  onRenewed(): void {
    this.#once(async () => {
      this.#turn++;
      await Promise.all([this.#claimForgotten(), this.#dropUnheld()]);
      const due = [...this.#suspicions].flatMap(([id, { dueTurn }]) =>
        dueTurn <= this.#turn ? [id] : [],
      );
      const next = this.#checks.next(() => this.#beliefs.sessions());
      for (const view of await this.#view([...new Set([...due, ...next])])) {
        if (due.includes(view.sessionId)) this.#judgeAgain(view);
        else this.#judge(view, false);
      }
    });
  }

  async #claimForgotten(): Promise<void> {
    const { node } = this.#lease;
    const teachers = this.#claims.next(() => this.#presence.held.values());
    const isHeld = ({ socketId }: Teacher) =>
      this.#presence.held.get(socketId)?.node === node && !this.#presence.isGoing(socketId);
    for (const teacher of await this.#store.forgotten(node, teachers.filter(isHeld))) {
      // It may have gone, or been handed over, meanwhile.
      if (!isHeld(teacher)) continue;
      this.#log.warn({ session: teacher.sessionId }, "Redis forgot a teacher: claiming it again");
      this.#presence.claimAgain(teacher);
    }
  }

  /** Redis may remember teachers of this node that have left. */
  async #dropUnheld(): Promise<void> {
    if (this.#turn % CHECK_TURNS !== 0) return;
    const { held } = this.#presence;
    for await (const teachers of this.#store.heldBy(this.#lease.node)) {
      for (const teacher of teachers) {
        if (!held.has(teacher.socketId)) this.#presence.abandon(teacher);
      }
    }
  }

  async #view(sessions: readonly SessionId[]): Promise<readonly PresenceView[]> {
    return sessions.length === 0 ? [] : this.#store.view(this.#lease.node, sessions);
  }

  /** @param isSettled - whether every node has had the time to claim what it holds */
  #judge(view: PresenceView, isSettled: boolean): void {
    const { sessionId, abandoned } = view;
    const isWrong = this.#isWrong(view);
    const misbelieved = this.#misbelieved(view);
    if (isWrong && isSettled && misbelieved === undefined) {
      this.#correct(view);
    } else if (isWrong || abandoned.length > 0 || misbelieved !== undefined) {
      if (this.#suspicions.has(sessionId)) return;
      const members = new Set(abandoned.map(nameOf));
      const dueTurn = this.#turn + SECOND_LOOK_TURNS;
      this.#suspicions.set(sessionId, { dueTurn, abandoned: members, announced: misbelieved });
    }
  }

  #judgeAgain(view: PresenceView): void {
    const { sessionId } = view;
    const before = this.#suspicions.get(sessionId);
    this.#suspicions.delete(sessionId);
    const left = view.abandoned.filter((teacher) => before?.abandoned.has(nameOf(teacher)));
    for (const teacher of left) {
      this.#log.warn({ session: teacher.sessionId }, "a teacher of no node: taking it out");
      this.#presence.abandon(teacher);
    }
    const misbelieved = this.#misbelieved(view);
    if (this.#isWrong(view)) this.#correct(view);
    // Else the next change would be taken for what has been told already. Not at the first look: what is announced while
    // that is under way is heard before the answer comes, which is older, and its version must not be forgotten.
    else if (misbelieved !== undefined && misbelieved === before?.announced)
      this.#inBackground(this.#store.forgetAnnounced(sessionId));
  }

  /** @returns the version that students are said to have been told, where they believe something else */
  #misbelieved({ sessionId, announced }: PresenceView): number | undefined {
    const belief = this.#beliefs.of(sessionId);
    const isOther =
      announced !== undefined && belief !== undefined && isOnline(announced) !== belief;
    return isOther ? announced : undefined;
  }

  /** Whether students believe what is not so. */
  #isWrong({ sessionId, isOnline }: PresenceView): boolean {
    const belief = this.#beliefs.of(sessionId);
    return belief !== undefined && isOnline !== undefined && belief !== isOnline;
  }

  #correct({ sessionId, announced }: PresenceView): void {
    this.#log.warn({ session: sessionId }, "students believe what is not so: telling them");
    this.#presence.correct(sessionId, announced, () => this.#beliefs.of(sessionId));
  }

  /** Where Redis is too slow for a part, the next ones come later. */
  #once(task: () => Promise<void>): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const done = task().finally(() => {
      this.#isBusy = false;
    });
    this.#inBackground(done);
  }

  #inBackground(task: Promise<void>): void {
    task.catch((error: unknown) => {
      this.#log.warn({ err: error }, "presence could not be looked after, trying again");
    });
  }
}

function nameOf({ node, socketId }: Teacher): string {
  return `${node}/${socketId}`;
}
