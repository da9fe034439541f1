import { isMadeUp, KeyMaker } from "../idempotency-keys.js";
import type { Publication } from "../publisher.js";
import {
  announcedKey,
  epochsKey,
  historyKey,
  idempotencyKeysKey,
  longEventsKey,
  newKeysKey,
  olderKeysKey,
  type Role,
  type RoomName,
} from "../protocol/index.js";
import type { CallResults } from "./call-results.js";
import type { RedisClock } from "./redis-clock.js";
import type { PacketEncoder } from "./packet-encoder.js";

/** One event on its way to one room. */
export interface Entry {
  readonly answer: CallResults;
  /** Its index among the publications of its answer. */
  readonly index: number;
  readonly role: Role;
  readonly publication: Publication;
  readonly json: string;
  /** When its caller asked for it, in milliseconds of the monotonic clock. */
  readonly since: number;
  /** Whether its key cannot have been seen. */
  readonly isNew: boolean;
}

/** Where a room's history stood when Redis answered last: good for a guess, and for nothing else. */
export interface Guess {
  /** Of Redis; a guess holds in no other. */
  readonly incarnation: string;
  readonly epoch: string;
  /** The n that the next event will get if nobody else publishes. */
  next: number;
}

/** One call of a script. */
export interface ScriptCall {
  /** Events of the entries that it takes, from the first. */
  readonly count: number;
  /** The mark that it leaves, where the next one must not be carried out without it; else ''. */
  readonly mark: string;
  readonly arguments: (string | Buffer)[];
}

/** Redis does nothing else while a script runs: at 5 us for an event, that is half a millisecond. */
const MAX_CALL_EVENTS = 100;
const MAX_CALL_BYTES = 256 * 1_024;
/** Events that cost as much as looking for a key in both logs of new keys (see `seen.lua`), where they are long. */
const LOOKUP_COST = 8;
/** What packets hold instead of an offset that nobody guesses. */
const PLACEHOLDER = "0-0";
/** Marks of calls that another one goes on from. */
const marks = new KeyMaker();

/** Whether `publish-guessed.lua` can take it: new, a service's, and not so long that it has to be weighed. */
export function isUsual({ isNew, publication, json }: Entry, lightBytes: number): boolean {
  if (!isNew || publication.version !== undefined) return false;
  // A character takes three bytes at most (of UTF-8, for each of UTF-16).
  return json.length * 3 <= lightBytes || Buffer.byteLength(json) <= lightBytes;
}

/** Whether it is the server's own announcement of a state; these end differently, so a call has one kind. */
export function isAnnouncement({ publication }: Entry): boolean {
  return publication.version !== undefined;
}

/** A call of `publish-guessed.lua` with as many of the entries as one call takes, and the offsets that they get. */
export function guessedCall(
  entries: readonly Entry[],
  guess: Guess,
  encoder: PacketEncoder,
  clock: RedisClock,
): ScriptCall & { readonly offsets: readonly string[] } {
  const offsets: string[] = [];
  const events: (string | Buffer)[] = [];
  let keys = "";
  let bytes = 0;
  for (const { publication, json, since } of entries) {
    const offset = offsetAfter(guess, offsets.length);
    const packet = encoder.encode(
      publication.event,
      offset,
      clock.toRedis(since),
      publication.traceparent,
    );
    bytes += packet.length + json.length;
    if (offsets.length > 0 && (bytes > MAX_CALL_BYTES || offsets.length >= MAX_CALL_EVENTS)) break;
    keys += `${publication.idempotencyKey} `;
    events.push(packet, json);
    offsets.push(offset);
  }
  const mark = markOf(entries, offsets.length);
  if (mark !== "") keys = `${mark} ${keys}`;
  return {
    count: offsets.length,
    mark,
    offsets,
    arguments: [
      offsets[0] ?? "",
      String(encoder.tailBytes),
      `${guess.epoch}-*`,
      `${keys}${offsets.at(-1) ?? ""}\n`,
      `master_replid:${guess.incarnation}`,
      ...events,
    ],
  };
}

/**
 * A call of `publish.lua` with as many of the entries as one call takes.
 *
 * @param goesOnWith - the mark of the call before, or ''
 * @param knownEpoch - the newest one that the publisher knows of, or ''
 * @param answered - the newest offset that Redis has answered, or ''
 */
export function plainCall(
  entries: readonly Entry[],
  encoder: PacketEncoder,
  clock: RedisClock,
  goesOnWith: string,
  knownEpoch: string,
  answered: string,
): ScriptCall {
  const [first] = entries;
  const isOfOneKind = first && isAnnouncement(first);
  const events: (string | Buffer)[] = [];
  let count = 0;
  let cost = 0;
  let bytes = 0;
  for (const entry of entries) {
    const { event, version, traceparent } = entry.publication;
    const key = keyArgument(entry);
    const packet = encoder.encode(event, PLACEHOLDER, clock.toRedis(entry.since), traceparent);
    bytes += packet.length + entry.json.length;
    cost += key.startsWith("?") ? LOOKUP_COST : 1;
    const isFull = bytes > MAX_CALL_BYTES || cost > MAX_CALL_EVENTS;
    if (count > 0 && (isFull || isAnnouncement(entry) !== isOfOneKind)) break;
    events.push(packet, entry.json, key, version === undefined ? "" : String(version));
    count++;
  }
  const mark = markOf(entries, count);
  return {
    count,
    mark,
    arguments: [
      PLACEHOLDER,
      String(encoder.tailBytes),
      goesOnWith,
      mark,
      knownEpoch,
      answered,
      ...events,
    ],
  };
}

/** The offset of the event that is published after `count` others, if the guess is right. */
function offsetAfter({ epoch, next }: Guess, count: number): string {
  return `${epoch}-${String(next + count)}`;
}

/** The newest offset that Redis has answered, from which the guess is made. */
export function offsetBefore(guess: Guess): string {
  return offsetAfter(guess, -1);
}

/** A mark for the call that ends here, where the next one must not be carried out without it; else ''. */
function markOf(entries: readonly Entry[], end: number): string {
  const [last, next] = [entries[end - 1], entries[end]];
  return next && next.answer === last?.answer ? marks.next() : "";
}

function keyArgument({ isNew, publication: { idempotencyKey } }: Entry): string {
  if (!isMadeUp(idempotencyKey)) return `=${idempotencyKey}`;
  return `${isNew ? "+" : "?"}${idempotencyKey}`;
}

/** KEYS of `publish-guessed.lua`. */
export function guessedKeysOf(room: RoomName): string[] {
  return [historyKey(room), newKeysKey(room), olderKeysKey(room)];
}

/** KEYS of `publish.lua`. */
export function keysOf(room: RoomName): string[] {
  return [
    ...guessedKeysOf(room),
    epochsKey(room),
    idempotencyKeysKey(room),
    announcedKey(room),
    longEventsKey(room),
  ];
}
