import {
  FLEETING_TTL_MS,
  MAX_IDEMPOTENCY_KEYS,
  parseTraceparent,
  type HistoryLimits,
  type Publication,
  type Publisher,
  type PublishResult,
} from "@inthon/emitter";
import {
  EVENTS,
  formatOffset,
  roomName,
  type Offset,
  type Position,
  type RoomName,
} from "@inthon/emitter/protocol";
import {
  KEEP_PART,
  type Broker,
  type EventListener,
  type HistoryPage,
  type PageLimit,
  type RoomEvent,
} from "../ports.js";

interface MemoryHistory {
  readonly epoch: number;
  n: number;
  readonly events: RoomEvent[];
  /** Of the events together. */
  bytes: number;
  /** Idempotency keys and the offsets they got, oldest first. */
  readonly seen: Map<string, Offset>;
  announced: number | undefined;
  /** Whether somebody has published in it: it lives longer. */
  isLasting: boolean;
  endsAt: number;
  expiry: NodeJS.Timeout | undefined;
}

/** {@link Broker} of a single process: the twin of the one on Redis, with the same guarantees within the process. */
export class MemoryBroker implements Broker, Publisher {
  readonly publisher: Publisher = this;
  readonly #historyLimit: number;
  readonly #historyMaxBytes: number;
  readonly #historyTtlMs: number;
  readonly #fleetingMs: number;
  readonly #histories = new Map<RoomName, MemoryHistory>();
  readonly #listeners = new Map<RoomName, EventListener>();
  #lastEpoch = 0;

  constructor(options: HistoryLimits) {
    this.#historyMaxBytes = options.historyMaxBytes;
    this.#historyLimit = options.historyLimit;
    this.#historyTtlMs = options.historyTtlMs;
    this.#fleetingMs = Math.min(FLEETING_TTL_MS, options.historyTtlMs);
  }

  get keepMs(): number {
    return this.#fleetingMs * KEEP_PART;
  }

  keep(room: RoomName): Promise<number> {
    const history = this.#histories.get(room);
    if (!history) return Promise.resolve(Infinity);
    this.#keep(room, history, this.#fleetingMs);
    return Promise.resolve(history.endsAt - performance.now());
  }

  isHeard(): boolean {
    return true;
  }

  onHearingChange(): void {
    // The connection to oneself does not break.
  }

  subscribe(room: RoomName, listener: EventListener): Promise<void> {
    this.#listeners.set(room, listener);
    return Promise.resolve();
  }

  unsubscribe(room: RoomName): Promise<void> {
    this.#listeners.delete(room);
    return Promise.resolve();
  }

  read(room: RoomName, after: Position | undefined, limit: PageLimit): Promise<HistoryPage> {
    const history = this.#open(room);
    this.#keep(room, history, this.#fleetingMs);
    return Promise.resolve(pageOf(history, after, limit));
  }

  look(room: RoomName, after: Position, limit: PageLimit): Promise<HistoryPage> {
    const history = this.#histories.get(room);
    const none = { head: { epoch: 0, n: 0 }, ends: [], events: [] };
    return Promise.resolve(history ? pageOf(history, after, limit) : none);
  }

  publish(publications: readonly Publication[]): Promise<PublishResult[]> {
    return Promise.resolve(publications.map((publication) => this.#publishOne(publication)));
  }

  announcedVersion(room: RoomName): number | undefined {
    return this.#histories.get(room)?.announced;
  }

  close(): Promise<void> {
    for (const { expiry } of this.#histories.values()) clearTimeout(expiry);
    this.#histories.clear();
    this.#listeners.clear();
    return Promise.resolve();
  }

  #publishOne(publication: Publication): PublishResult {
    const roles = EVENTS[publication.event.event].audience;
    const appended = roles.map((role) =>
      this.#append(roomName(publication.sessionId, role), publication),
    );
    return {
      offsets: Object.fromEntries(roles.map((role, i) => [role, appended[i]?.offset])),
      duplicate: appended.every(({ duplicate }) => duplicate),
    };
  }

  #append(room: RoomName, publication: Publication): { offset: Offset; duplicate: boolean } {
    const { event, idempotencyKey, version, traceparent, since = performance.now() } = publication;
    const history = this.#open(room);
    if (version === undefined) history.isLasting = true;
    this.#keep(room, history, history.isLasting ? this.#historyTtlMs : this.#fleetingMs);
    const seen = history.seen.get(idempotencyKey);
    if (seen) return { offset: seen, duplicate: true };
    if (version !== undefined) {
      const { announced } = history;
      const isOld = announced !== undefined && version <= announced;
      const isSame = announced !== undefined && (version - announced) % 2 === 0;
      if (!isOld) history.announced = version;
      if (isOld || isSame) return { offset: formatOffset(history), duplicate: true };
    }
    const position = { epoch: history.epoch, n: ++history.n };
    const offset = formatOffset(position);
    const isAnnouncement = version !== undefined;
    const bytes = Buffer.byteLength(JSON.stringify(event));
    const roomEvent: RoomEvent = { position, offset, event, isAnnouncement, bytes };
    history.events.push(roomEvent);
    history.bytes += bytes;
    while (
      history.events.length > this.#historyLimit ||
      (history.bytes > this.#historyMaxBytes && history.events.length > 1)
    ) {
      history.bytes -= history.events.shift()?.bytes ?? 0;
    }
    remember(history, idempotencyKey, offset);
    this.#listeners.get(room)?.(roomEvent, {
      publishedAt: since,
      trace: traceparent === undefined ? undefined : parseTraceparent(traceparent),
    });
    return { offset, duplicate: false };
  }

  #open(room: RoomName): MemoryHistory {
    let history = this.#histories.get(room);
    if (!history) {
      this.#lastEpoch = Math.max(Date.now(), this.#lastEpoch + 1);
      history = {
        epoch: this.#lastEpoch,
        n: 0,
        events: [],
        bytes: 0,
        seen: new Map(),
        announced: undefined,
        isLasting: false,
        endsAt: 0,
        expiry: undefined,
      };
      this.#histories.set(room, history);
    }
    return history;
  }

  /** Lets a history live this long at least. */
  #keep(room: RoomName, history: MemoryHistory, ms: number): void {
    const endsAt = performance.now() + ms;
    if (endsAt <= history.endsAt) return;
    history.endsAt = endsAt;
    clearTimeout(history.expiry);
    // A timer holds at most 2^31 - 1 ms (Node's documentation of setTimeout).
    history.expiry = setTimeout(
      () => {
        this.#histories.delete(room);
      },
      Math.min(ms, 2 ** 31 - 1),
    ).unref();
  }
}

function pageOf(
  { epoch, n, events }: MemoryHistory,
  after: Position | undefined,
  limit: PageLimit,
): HistoryPage {
  const isAfter = ({ position }: RoomEvent) =>
    after !== undefined && (epoch > after.epoch || (epoch === after.epoch && position.n > after.n));
  const found = events.filter(isAfter).slice(0, limit.events);
  let bytes = 0;
  const tooMuch = found.findIndex((event, i) => (bytes += event.bytes) > limit.bytes && i > 0);
  const page = tooMuch < 0 ? found : found.slice(0, tooMuch);
  return { head: { epoch, n }, ends: [], events: page };
}

function remember(history: MemoryHistory, key: string, offset: Offset): void {
  history.seen.set(key, offset);
  if (history.seen.size > MAX_IDEMPOTENCY_KEYS) {
    for (const oldest of history.seen.keys()) {
      history.seen.delete(oldest);
      break;
    }
  }
}
