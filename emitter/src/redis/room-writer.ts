import { EmitterError } from "../errors.js";
import {
  announcedKey,
  epochsKey,
  historyKey,
  idempotencyKeysKey,
  longEventsKey,
  newKeysKey,
  olderKeysKey,
  parseOffset,
  formatOffset,
  type Offset,
  type Position,
  type RoomName,
} from "../protocol/index.js";
import { PacketEncoder } from "./packet-encoder.js";
import {
  guessedCall,
  isAnnouncement,
  isSureToAppend,
  isUsual,
  plainCall,
  type Entry,
  type Guess,
  type ScriptCall,
} from "./publish-arguments.js";
import type { RedisClock } from "./redis-clock.js";
import { UnknownScriptError, type PublishScript } from "./publish-script.js";
import { toEmitterError } from "./redis-errors.js";

/** A call that Redis may have to be asked again, in the same place. */
interface UndoneCall {
  readonly entries: readonly Entry[];
  /** The mark of the call before, where it goes on with an array that this one began; else ''. */
  readonly goesOnWith: string;
  /** Its own, for the next one. */
  readonly mark: string;
}

/**
 * Writes the events of one room, in their order: those of one turn of the event loop in one call of a script, or a few.
 * What Redis answers is the truth; what the writer remembers is a guess that spares Redis work where it is right.
 */
export class RoomWriter {
  readonly #script: PublishScript;
  readonly #clock: RedisClock;
  readonly #renewMs: number;
  readonly #room: RoomName;
  // Made when they are needed: many thousand rooms are remembered, and of most only the teacher's presence is told.
  #guessedKeys: string[] | undefined;
  #packets: PacketEncoder | undefined;
  #announcements: PacketEncoder | undefined;
  #pending: Entry[] = [];
  #guess: Guess | undefined;
  /** The newest epoch that Redis has answered. */
  #knownEpoch = "";
  /** When Redis has to be told again how long to keep the room's keys. */
  #renewAt = 0;
  /** Events sent so far. */
  #sent = 0;
  /** The newest place that Redis has answered, where nothing has failed since. */
  #answered: Position | undefined;
  /** The mark of the last call, where the next one goes on with an array that it began. */
  #mark = "";
  #callsUnderWay = 0;
  /** Those of them that may append less than they were sent with. */
  #unsureCalls = 0;
  /** What Redis did not do because it did not know the script: comes before all that has not been sent. */
  #undone: UndoneCall[] = [];

  /**
   * @param renewMs - how long the expiry of the room's keys may go without being renewed
   */
  constructor(script: PublishScript, clock: RedisClock, room: RoomName, renewMs: number) {
    this.#script = script;
    this.#clock = clock;
    this.#renewMs = renewMs;
    this.#room = room;
  }

  /** @returns whether it is the first one since the last flush */
  add(entry: Entry): boolean {
    return this.#pending.push(entry) === 1;
  }

  /** Sends all that was added, in its order. */
  flush(): void {
    // What is to be done again must not be overtaken: it is sent when it is known to be all.
    if (this.#undone.length > 0 && this.#callsUnderWay > 0) return;
    const undone = this.#undone;
    this.#undone = [];
    for (const { entries, goesOnWith } of joined(undone)) this.#sendAll(entries, goesOnWith);
    const entries = this.#pending;
    this.#pending = [];
    this.#sendAll(entries, "");
  }

  /** @param goesOnWith - the mark of a call that began their array, or '' */
  #sendAll(all: readonly Entry[], goesOnWith: string): void {
    this.#mark = goesOnWith;
    const { lightBytes } = this.#script;
    const mayGuess = all.every((entry) => isUsual(entry, lightBytes));
    let entries = all;
    try {
      while (entries.length > 0) {
        const guess = mayGuess ? this.#usableGuess() : undefined;
        entries = entries.slice(guess ? this.#sendGuessed(entries, guess) : this.#send(entries));
      }
    } catch (error) {
      // Nobody is above this on the stack: a packet that cannot be encoded must not end the process.
      this.#fail(entries, error);
    }
  }

  #usableGuess(): Guess | undefined {
    const guess = this.#guess;
    if (!guess || Date.now() >= this.#renewAt || this.#mark !== "") return undefined;
    return guess;
  }

  /** @returns how many of the entries it took */
  #sendGuessed(entries: readonly Entry[], guess: Guess): number {
    const encoder = (this.#packets ??= new PacketEncoder(this.#room, false));
    const call = guessedCall(entries, guess, this.#answered?.n ?? 0, encoder, this.#clock);
    const keys = (this.#guessedKeys ??= guessedKeysOf(this.#room));
    const options = { keys, arguments: call.arguments };
    const taken = this.#take(entries, call);
    const { incarnation } = guess;
    const sentBefore = this.#sent;
    guess.next += call.count;
    this.#await(taken, this.#script.runGuessed(options), (reply) => {
      if (reply === 0) {
        this.#undo(taken);
        return;
      }
      const offsets = reply === 1 ? call.offsets : offsetsFrom(reply, call.count);
      if (!offsets) {
        this.#fail(taken.entries, notOurs());
        return;
      }
      if (reply !== 1) this.#learn(incarnation, offsets.at(-1), this.#sent - sentBefore);
      else this.#answered = parseOffset(offsets.at(-1));
      for (const [i, { answer, index, role }] of taken.entries.entries()) {
        answer.succeed(index, role, offsets[i] as Offset, false, incarnation);
      }
    });
    return call.count;
  }

  /** @returns how many of the entries it took */
  #send(entries: readonly Entry[]): number {
    const [first] = entries;
    const announces = first !== undefined && isAnnouncement(first);
    const encoder = announces
      ? (this.#announcements ??= new PacketEncoder(this.#room, true))
      : (this.#packets ??= new PacketEncoder(this.#room, false));
    const call = plainCall(
      entries,
      encoder,
      this.#clock,
      this.#mark,
      this.#knownEpoch,
      this.#answered ? formatOffset(this.#answered) : "",
    );
    const options = { keys: keysOf(this.#room), arguments: call.arguments };
    const taken = this.#take(entries, call);
    const sentBefore = this.#sent;
    const sentAt = performance.now();
    // What may have been published before, or is no news, may append nothing: then nobody can guess what comes behind it.
    const isSure = taken.entries.every(isSureToAppend);
    if (!isSure) {
      this.#unsureCalls++;
      this.#guess = undefined;
    }
    if (this.#guess) this.#guess.next += call.count;
    // An announcement alone keeps a room for a moment only.
    if (!announces) this.#renewAt = Date.now() + this.#renewMs;
    const running = this.#script.run(options).finally(() => {
      if (!isSure) this.#unsureCalls--;
    });
    this.#await(taken, running, (reply) => {
      if (!Array.isArray(reply) || reply.length !== 4 + 2 * call.count) {
        this.#fail(taken.entries, notOurs());
        return;
      }
      const [by, newest, seconds, micros, ...answers] = reply as readonly unknown[];
      const incarnation = String(by);
      this.#clock.compare(sentAt, [seconds, micros], incarnation);
      // A key that somebody else has written may name a place that is none.
      const offsets = taken.entries.map((_, i) => parseOffset(answers[2 * i]));
      if (offsets.includes(undefined)) {
        this.#fail(taken.entries, notOurs());
        return;
      }
      this.#learn(incarnation, newest, this.#sent - sentBefore);
      for (const [i, { answer, index, role }] of taken.entries.entries()) {
        const offset = String(answers[2 * i]) as Offset;
        const isDuplicate = Number(answers[2 * i + 1]) === 1;
        answer.succeed(index, role, offset, isDuplicate, incarnation);
      }
    });
    return call.count;
  }

  #take(all: readonly Entry[], { count, mark }: ScriptCall): UndoneCall {
    this.#sent += count;
    const goesOnWith = this.#mark;
    this.#mark = mark;
    return { entries: all.slice(0, count), goesOnWith, mark };
  }

  #await(taken: UndoneCall, call: Promise<unknown>, onReply: (reply: unknown) => void): void {
    this.#callsUnderWay++;
    call.then(
      (reply) => {
        onReply(reply);
        this.#onCallEnd();
      },
      (error: unknown) => {
        if (error instanceof UnknownScriptError) this.#undo(taken);
        else this.#fail(taken.entries, error);
        this.#onCallEnd();
      },
    );
  }

  #onCallEnd(): void {
    this.#callsUnderWay--;
    if (this.#undone.length > 0) this.flush();
  }

  /** @param sentSince - events that were sent after those that came to `newest` */
  #learn(incarnation: string, newest: unknown, sentSince: number): void {
    const position = parseOffset(newest);
    if (!position) return;
    this.#knownEpoch = String(position.epoch);
    this.#answered = position;
    if (this.#unsureCalls > 0) return;
    const next = position.n + 1 + sentSince;
    this.#guess = { incarnation, epoch: this.#knownEpoch, next };
  }

  #undo(call: UndoneCall): void {
    this.#guess = undefined;
    this.#answered = undefined;
    this.#undone.push(call);
  }

  #fail(entries: readonly Entry[], error: unknown): void {
    this.#guess = undefined;
    this.#answered = undefined;
    const reason = toEmitterError(error);
    for (const { answer } of entries) answer.fail(reason);
  }
}

/** KEYS of `publish-guessed.lua`. */
function guessedKeysOf(room: RoomName): string[] {
  return [historyKey(room), newKeysKey(room), olderKeysKey(room)];
}

/** KEYS of `publish.lua`. */
function keysOf(room: RoomName): string[] {
  return [
    ...guessedKeysOf(room),
    epochsKey(room),
    idempotencyKeysKey(room),
    announcedKey(room),
    longEventsKey(room),
  ];
}

/** Calls that go on with each other become one. */
function joined(calls: readonly UndoneCall[]): readonly UndoneCall[] {
  const all: UndoneCall[] = [];
  for (const call of calls) {
    const before = all.at(-1);
    if (before && before.mark !== "" && before.mark === call.goesOnWith) {
      const entries = [...before.entries, ...call.entries];
      all[all.length - 1] = { entries, goesOnWith: before.goesOnWith, mark: call.mark };
    } else {
      all.push(call);
    }
  }
  return all;
}

/** `count` offsets, of which this is the first. */
function offsetsFrom(first: unknown, count: number): readonly string[] | undefined {
  const position = parseOffset(first);
  if (!position) return undefined;
  const { epoch, n } = position;
  return Array.from({ length: count }, (_, i) => `${String(epoch)}-${String(n + i)}`);
}

function notOurs(): EmitterError {
  return new EmitterError("unavailable", "Redis gave an answer that is not the script's");
}
