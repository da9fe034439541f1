import type { CallResults } from "./call-results.js";
import { EmitterError } from "../errors.js";
import { isMadeUp, KeyMaker } from "../idempotency-keys.js";
import { PacketEncoder } from "./packet-encoder.js";
import {
  announcedKey,
  historyKey,
  idempotencyKeysKey,
  newKeysKey,
  olderKeysKey,
  type Offset,
  type Role,
  type RoomName,
} from "../protocol/index.js";
import type { PublishScript } from "./publish-script.js";
import type { Publication } from "../publisher.js";

/** One event on its way to one room. */
export interface Entry {
  readonly answer: CallResults;
  /** Its index among the publications of its answer. */
  readonly index: number;
  readonly role: Role;
  readonly publication: Publication;
  readonly json: string;
  /** Whether its key cannot have been seen. */
  readonly isNew: boolean;
}

/** Where a room's history stands, as far as this publisher knows: good for a guess, and for nothing else. */
interface Guess {
  readonly epoch: string;
  /** The n that the next event will get if nobody else publishes. */
  next: number;
}

// Redis does nothing else while the script runs: at 5 us for an event, that is half a millisecond.
const MAX_CALL_EVENTS = 100;
const MAX_CALL_BYTES = 256 * 1_024;
/** Events that cost as much as looking for a key in both logs of new keys (see `publish.lua`), where they are long. */
const LOOKUP_COST = 8;
/** What packets hold instead of an offset that nobody guesses. */
const PLACEHOLDER = "0-0";
/** Marks of calls that another one goes on from. */
const marks = new KeyMaker();

/** Writes the events of one room: those of one turn of the event loop in one call of the script. */
export class RoomWriter {
  readonly #script: PublishScript;
  readonly #renewMs: number;
  readonly #room: RoomName;
  readonly #shortKeys: string[];
  readonly #longKeys: string[];
  readonly #packets: PacketEncoder;
  #announcements: PacketEncoder | undefined;
  #pending: Entry[] = [];
  #guess: Guess | undefined;
  /** When Redis has to be told again how long to keep the room's keys. */
  #renewAt = 0;
  /** Events sent so far. */
  #sent = 0;
  /** The mark of the last call, where the next one goes on with an array that it began. */
  #mark = "";

  /**
   * @param renewMs - how long the expiry of the room's keys may go without being renewed
   */
  constructor(script: PublishScript, room: RoomName, renewMs: number) {
    this.#script = script;
    this.#renewMs = renewMs;
    this.#room = room;
    this.#shortKeys = [historyKey(room), newKeysKey(room), olderKeysKey(room)];
    this.#longKeys = [...this.#shortKeys, idempotencyKeysKey(room), announcedKey(room)];
    this.#packets = new PacketEncoder(room, false);
  }

  /** @returns whether it is the first one since the last flush */
  add(entry: Entry): boolean {
    return this.#pending.push(entry) === 1;
  }

  /** Sends all that was added, in its order. */
  flush(): void {
    const entries = this.#pending;
    this.#pending = [];
    const isUsual = entries.every(
      ({ isNew, publication }) => isNew && publication.version === undefined,
    );
    let from = 0;
    try {
      while (from < entries.length) {
        const guess = this.#guess;
        const isShort = isUsual && guess && Date.now() < this.#renewAt && this.#mark === "";
        from = isShort ? this.#sendShort(entries, from, guess) : this.#sendLong(entries, from);
      }
    } catch (error) {
      // Nobody is above this on the stack: a packet that cannot be encoded must not end the process.
      this.#fail(entries.slice(from), error);
      this.#mark = "";
    }
  }

  /** @returns where the next call begins */
  #sendShort(entries: readonly Entry[], from: number, guess: Guess): number {
    const { epoch, next } = guess;
    const offsets: string[] = [];
    const args: (string | Buffer)[] = [];
    let keys = "";
    let bytes = 0;
    let to = from;
    for (let entry = entries[to]; entry && offsets.length < MAX_CALL_EVENTS; entry = entries[to]) {
      const offset = `${epoch}-${String(next + offsets.length)}`;
      const packet = this.#packets.encode(entry.publication.event, offset);
      bytes += packet.length + entry.json.length;
      if (bytes > MAX_CALL_BYTES && to > from) break;
      keys += `${entry.publication.idempotencyKey} `;
      args.push(packet, entry.json);
      offsets.push(offset);
      to++;
    }
    const [first = "", last = ""] = [offsets[0], offsets.at(-1)];
    guess.next += offsets.length;
    this.#mark = markOf(entries, to);
    if (this.#mark !== "") keys = `${this.#mark} ${keys}`;
    this.#call(entries.slice(from, to), this.#shortKeys, offsets, [
      first,
      String(this.#packets.tailBytes),
      `${epoch}-*`,
      `${keys}${last}\n`,
      ...args,
    ]);
    return to;
  }

  /** @returns where the next call begins */
  #sendLong(entries: readonly Entry[], from: number): number {
    const isAnnouncement = (entry: Entry) => entry.publication.version !== undefined;
    const first = entries[from];
    const encoder =
      first && isAnnouncement(first)
        ? (this.#announcements ??= new PacketEncoder(this.#room, true))
        : this.#packets;
    const args: (string | Buffer)[] = [];
    let cost = 0;
    let bytes = 0;
    let to = from;
    for (let entry = entries[to]; entry; entry = entries[to]) {
      const { event, version } = entry.publication;
      const key = keyArgument(entry);
      const packet = encoder.encode(event, PLACEHOLDER);
      bytes += packet.length + entry.json.length;
      cost += key.startsWith("?") ? LOOKUP_COST : 1;
      const isFull = bytes > MAX_CALL_BYTES || cost > MAX_CALL_EVENTS;
      // Announcements end differently: a call has one kind.
      const isOther = (encoder !== this.#packets) !== isAnnouncement(entry);
      if (to > from && (isFull || isOther)) break;
      args.push(packet, entry.json, key, version === undefined ? "" : String(version));
      to++;
    }
    if (this.#guess) this.#guess.next += to - from;
    this.#renewAt = Date.now() + this.#renewMs;
    const before = this.#mark;
    this.#mark = markOf(entries, to);
    this.#call(entries.slice(from, to), this.#longKeys, undefined, [
      PLACEHOLDER,
      String(encoder.tailBytes),
      before,
      this.#mark,
      ...args,
    ]);
    return to;
  }

  /** @param guessed - the offsets that the entries get if the guess is right */
  #call(
    entries: readonly Entry[],
    keys: string[],
    guessed: readonly string[] | undefined,
    args: (string | Buffer)[],
  ): void {
    this.#sent += entries.length;
    const sentBefore = this.#sent;
    this.#script.run({ keys, arguments: args }).then(
      (reply) => {
        if (guessed && reply === 1) {
          for (const [i, { answer, index, role }] of entries.entries()) {
            answer.succeed(index, role, guessed[i] as Offset, false);
          }
        } else {
          this.#read(reply, entries, this.#sent - sentBefore);
        }
      },
      (error: unknown) => {
        this.#fail(entries, error);
      },
    );
  }

  /** @param sentSince - events that were sent after these */
  #read(reply: unknown, entries: readonly Entry[], sentSince: number): void {
    if (!Array.isArray(reply) || reply.length !== 1 + 2 * entries.length) {
      const message = "Redis gave an answer that is not the script's";
      this.#fail(entries, new EmitterError("unavailable", message));
      return;
    }
    const [newest, ...answers] = reply as readonly unknown[];
    const [epoch = "", n = ""] = String(newest).split("-");
    this.#guess = { epoch, next: Number(n) + 1 + sentSince };
    for (const [i, { answer, index, role }] of entries.entries()) {
      answer.succeed(
        index,
        role,
        String(answers[2 * i]) as Offset,
        Number(answers[2 * i + 1]) === 1,
      );
    }
  }

  #fail(entries: readonly Entry[], error: unknown): void {
    this.#guess = undefined;
    for (const { answer } of entries) answer.fail(error);
  }
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
