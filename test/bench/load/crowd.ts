import type { Group, Seen } from "./api.js";
import { Connection } from "./connection.js";
import { monotonicNs, Receipts, type LatencySummary } from "./latencies.js";
import { untilDone } from "./progress.js";
import { newTally, Sequence, type Tally } from "./sequence.js";

/** Handshakes under way at once: more would only wait in the server's queue. */
const CONNECTING_AT_ONCE = 64;
/** A client that gets nothing for this long gets nothing any more. */
const PATIENCE_MS = 10_000;

interface Member {
  readonly session: string;
  readonly connection: Connection;
}

/** All clients of one load process, and what they have seen. */
export class Crowd {
  readonly #tally = newTally();
  readonly #members: Member[] = [];
  #joined = 0;
  #broken = 0;
  #reason: string | undefined;
  #onJoined: () => void = () => undefined;
  #receipts: Receipts | undefined;
  #watched: Receipts | undefined;
  /** What has been told of the tally. */
  #told: Readonly<Tally> = newTally();

  async connect(groups: readonly Group[]): Promise<void> {
    const waiting = spread(groups);
    const wanted = this.#members.length + waiting.length;
    const joinNext = () => {
      const group = waiting.pop();
      if (group !== undefined) this.#members.push(this.#join(group));
    };
    this.#onJoined = joinNext;
    for (let i = 0; i < CONNECTING_AT_ONCE; i++) joinNext();
    const settled = () => this.#joined + this.#broken;
    const isDone = await untilDone(() => settled() >= wanted, settled, PATIENCE_MS);
    if (isDone && this.#broken === 0) return;
    const why = this.#reason ?? "the others got no answer";
    throw new Error(`${this.#joined} of ${wanted} clients are connected: ${why}`);
  }

  async expect(lasts: Readonly<Record<string, number>>): Promise<Seen> {
    const lastOf = (session: string) => lasts[session] ?? 0;
    // From the end, because whoever is behind once is looked at again and again.
    const behind = [...this.#members];
    const isDone = () => {
      for (let member = behind.at(-1); member !== undefined; member = behind.at(-1)) {
        if (!member.connection.sequence.hasReached(lastOf(member.session))) return false;
        behind.pop();
      }
      return true;
    };
    if (!(await untilDone(isDone, () => this.#tally.deliveries, PATIENCE_MS))) {
      for (const { session, connection } of behind) connection.sequence.giveUp(lastOf(session));
    }
    return this.#news();
  }

  /** @param oneOf - how many clients come on one that reads; the others go on in {@link Crowd.unwatch} */
  watch(oneOf: number): void {
    this.#receipts = new Receipts();
    for (const [i, { connection }] of this.#members.entries())
      if (i % oneOf > 0) connection.pause();
  }

  /** Resolves when those who read have got their session's events up to the last one, or none has come for a while. */
  async reach(lasts: Readonly<Record<string, number>>, oneOf: number): Promise<void> {
    const readers = this.#members.filter((_, i) => i % oneOf === 0);
    const isDone = () =>
      readers.every(({ session, connection }) =>
        connection.sequence.hasReached(lasts[session] ?? 0),
      );
    await untilDone(isDone, () => this.#tally.deliveries, PATIENCE_MS);
  }

  /** Has all read on, when those who read have got what {@link Crowd.reach} waits for. */
  async unwatch(lasts: Readonly<Record<string, number>>, oneOf: number): Promise<void> {
    await this.reach(lasts, oneOf);
    this.#watched = this.#receipts;
    this.#receipts = undefined;
    for (const { connection } of this.#members) connection.readOn();
  }

  latencies(emittedAtNs: readonly number[], first: number): LatencySummary {
    return (this.#watched ?? new Receipts()).summarize(emittedAtNs, first);
  }

  close(): void {
    for (const { connection } of this.#members) connection.close();
    this.#members.length = 0;
    this.#joined = 0;
  }

  #join(group: Group): Member {
    const sequence = new Sequence(group.pattern, this.#tally);
    const connection = new Connection(group, sequence, {
      onJoined: () => {
        this.#joined++;
        this.#onJoined();
      },
      onEvent: (number) => {
        this.#receipts?.add(number, monotonicNs());
      },
      onFault: (reason) => {
        this.#broken++;
        this.#reason ??= reason;
        this.#onJoined();
      },
    });
    return { session: group.session, connection };
  }

  #news(): Seen {
    const told = this.#told;
    const tally = { ...this.#tally };
    this.#told = tally;
    return {
      deliveries: tally.deliveries - told.deliveries,
      lost: tally.lost - told.lost,
      duplicated: tally.duplicated - told.duplicated,
      reordered: tally.reordered - told.reordered,
      broken: this.#broken,
      ...(this.#reason !== undefined && { reason: this.#reason }),
    };
  }
}

/** One entry for each client, the groups taking turns, so that no room fills before the others. */
function spread(groups: readonly Group[]): Group[] {
  const most = Math.max(0, ...groups.map(({ clients }) => clients));
  return Array.from({ length: most }, (_, turn) => groups.filter((g) => g.clients > turn)).flat();
}
