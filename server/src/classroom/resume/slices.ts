import { withoutRepetitions } from "../../cluster/event-runs.js";
import type { DeliveryTally } from "../../telemetry/delivery-tally.js";
import { isReadable, type HistoryEntry } from "../../cluster/ports.js";
import { Batch } from "../batch.js";

/** Slices end at multiples of this number: whoever has had the first has the others in common with everybody. */
const MAX_EVENTS = 32;
/** JSON in the slices that are kept, each in up to four forms. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/** What a connection has missed, as far as it is sent in one go. */
export interface Slice {
  readonly batch: Batch;
  /** The event up to which it goes. */
  readonly last: HistoryEntry;
  /** What whoever has had it knows of the teacher, by announcements. */
  readonly known: boolean | undefined;
  /** Whether it ends with an end of the session, behind which nothing is told. */
  readonly endsSession: boolean;
}

interface KeptSlice extends Slice {
  /** What was known before. */
  readonly knownBefore: boolean | undefined;
  readonly bytes: number;
}

/** Cuts what was missed into slices, each encoded once for all who need it at about the same time. */
export class Slices {
  readonly #maxBytes: number;
  readonly #tally: DeliveryTally;
  /** By the first event of each, the oldest first: an event is an object of its own, and belongs to one room. */
  readonly #kept = new Map<HistoryEntry, KeptSlice>();
  #keptBytes = 0;

  /** @param maxBytes - of JSON in a slice; a longer event is a slice by itself */
  constructor(maxBytes: number, tally: DeliveryTally) {
    this.#maxBytes = maxBytes;
    this.#tally = tally;
  }

  /** How many events behind the place with this number a slice has at most. */
  reach(n: number): number {
    return MAX_EVENTS - (n % MAX_EVENTS);
  }

  /**
   * @param events - what is missing, as far as a slice can reach: one event at least
   * @param known - what the connection knows of the teacher, by announcements that it has had
   */
  first(events: readonly [HistoryEntry, ...HistoryEntry[]], known: boolean | undefined): Slice {
    const kept = this.#kept.get(events[0]);
    if (kept?.knownBefore === known && kept) return kept;
    const slice = this.#cut(events, known);
    if (!kept) this.#keep(events[0], slice);
    return slice;
  }

  /** To be called when nobody needs them any more. */
  clear(): void {
    this.#kept.clear();
    this.#keptBytes = 0;
  }

  #cut(
    events: readonly [HistoryEntry, ...HistoryEntry[]],
    knownBefore: boolean | undefined,
  ): KeptSlice {
    const taken: HistoryEntry[] = [];
    let bytes = 0;
    let [last] = events;
    for (const event of events) {
      const size = isReadable(event) ? event.bytes : 0;
      if (taken.length > 0 && bytes + size > this.#maxBytes) break;
      bytes += size;
      taken.push(event);
      last = event;
      if (event.event?.event === "session_ended") break;
    }
    const { events: news, known } = withoutRepetitions(taken, knownBefore);
    const endsSession = last.event?.event === "session_ended";
    return { batch: new Batch(news, this.#tally), last, known, knownBefore, endsSession, bytes };
  }

  #keep(first: HistoryEntry, slice: KeptSlice): void {
    this.#kept.set(first, slice);
    this.#keptBytes += slice.bytes;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#keptBytes <= MAX_KEPT_BYTES) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= bytes;
    }
  }
}
