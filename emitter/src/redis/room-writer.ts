import { EmitterError } from "../errors.js";
import { parseOffset, type Offset, type RoomName } from "../protocol/index.js";
import { PacketEncoder } from "./packet-encoder.js";
import {
  guessedCall,
  guessedKeysOf,
  isAnnouncement,
  isUsual,
  keysOf,
  offsetBefore,
  plainCall,
  type Entry,
  type Guess,
  type ScriptCall,
} from "./publish-arguments.js";
import type { RedisClock } from "./redis-clock.js";
import type { PublishScript } from "./publish-script.js";
import { toEmitterError, UndoneError } from "./redis-errors.js";
import type { Replicas } from "./replicas.js";
import { UndoneCalls, type UndoneCall } from "./undone-calls.js";

/** Of one room, while a call hangs whose callers have long given up: a client that was given may have no limit of time. */
const MAX_WAITING_EVENTS = 100_000;

/** Where the events of a room are written. */
export interface RoomPlace {
  readonly script: PublishScript;
  readonly clock: RedisClock;
  readonly replicas: Replicas | undefined;
}

/**
 * Writes the events of one room, in their order: all that have come since the last call of a script, in one call.
 * What Redis answers is the truth; what the writer remembers is a guess that spares Redis work where it is right.
 *
 * Invariant: one call is under way at a time, and behind it only what goes on with an array that it began, which is refused
 * without it. Redis may refuse any call and carry out the next one: its slot moves, its scripts are flushed and somebody else
 * brings them, a replica comes back, a client that was given connects again, or is a pool of connections.
 */
export class RoomWriter {
  readonly #find: () => RoomPlace | undefined;
  /** Where the last call went. */
  #place: RoomPlace | undefined;
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
  /** The mark of the last call, where the next one goes on with an array that it began. */
  #mark = "";
  #callsUnderWay = 0;
  readonly #undone = new UndoneCalls();
  /** Why something has failed that its caller repeats: what comes behind it is to be repeated as well, until that is known to all. */
  #failure: EmitterError | undefined;
  #order = 0;
  /** Whether something is to be sent when the calls under way have ended. */
  #isHeld = false;
  /** Whether it is to be sent when a pause has. */
  #isPaused = false;

  /**
   * @param find - the place of the room, asked for each call: the same object as long as it is the same
   * @param renewMs - how long the expiry of the room's keys may go without being renewed
   */
  constructor(find: () => RoomPlace | undefined, room: RoomName, renewMs: number) {
    this.#find = find;
    this.#renewMs = renewMs;
    this.#room = room;
  }

  /** @returns whether it is the first one since the last flush */
  add(entry: Entry): boolean {
    if (this.#pending.length + this.#undone.events >= MAX_WAITING_EVENTS) {
      entry.answer.fail(new EmitterError("unavailable", "too many events wait for this room"));
      return false;
    }
    return this.#pending.push(entry) === 1;
  }

  /** Whether it has something that is not answered. */
  get isBusy(): boolean {
    return this.#callsUnderWay > 0 || this.#pending.length > 0 || !this.#undone.isEmpty;
  }

  /** Sends all that was added, in its order, as soon as it may. */
  flush(): void {
    if (this.#callsUnderWay > 0) {
      this.#isHeld = true;
      return;
    }
    if (this.#isPaused || this.#failure) return;
    this.#isHeld = false;
    const place = this.#find();
    // Another Redis would find it wrong.
    if (place !== this.#place) this.#guess = undefined;
    this.#place = place;
    const call = { entries: this.#pending, goesOnWith: "", mark: "" };
    this.#pending = [];
    if (this.#undone.isEmpty) {
      this.#sendAll(place, call);
    } else {
      this.#keep(call);
      for (const undone of this.#undone.take()) this.#sendAll(place, undone);
    }
    this.#failRestIfAny();
  }

  #keep(call: Omit<UndoneCall, "order">): void {
    this.#undone.keep({ ...call, order: this.#order++ });
  }

  #sendAll(place: RoomPlace | undefined, call: Omit<UndoneCall, "order">): void {
    const { entries: all, goesOnWith, mark } = call;
    if (all.length === 0) return;
    if (this.#callsUnderWay > 0 && goesOnWith === "") {
      this.#keep(call);
      return;
    }
    this.#mark = goesOnWith;
    if (!place) {
      this.#fail(all, new EmitterError("unavailable", "no master of the cluster has this room"));
      return;
    }
    const { lightBytes } = place.script;
    const mayGuess = all.every((entry) => isUsual(entry, lightBytes));
    let entries = all;
    try {
      while (entries.length > 0) {
        if (this.#callsUnderWay > 0 && this.#mark === "") {
          this.#keep({ entries, goesOnWith: "", mark });
          return;
        }
        const guess = mayGuess ? this.#usableGuess() : undefined;
        entries = entries.slice(
          guess ? this.#sendGuessed(place, entries, guess) : this.#send(place, entries),
        );
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
  #sendGuessed(place: RoomPlace, entries: readonly Entry[], guess: Guess): number {
    const { script, clock, replicas } = place;
    const encoder = (this.#packets ??= new PacketEncoder(this.#room, false));
    const call = guessedCall(entries, guess, encoder, clock);
    const keys = (this.#guessedKeys ??= guessedKeysOf(this.#room));
    const options = { keys, arguments: call.arguments };
    const taken = this.#take(entries, call);
    const { incarnation } = guess;
    this.#await(taken, script.runGuessed(options), (reply) => {
      if (reply === 0) {
        this.#undo(taken, undefined);
        return;
      }
      const offsets = reply === 1 ? call.offsets : offsetsFrom(reply, call.count);
      if (!offsets) {
        this.#fail(taken.entries, notOurs());
        return;
      }
      if (reply === 1) guess.next += call.count;
      else this.#learn(incarnation, offsets.at(-1));
      for (const [i, { answer, index, role }] of taken.entries.entries()) {
        answer.succeed(index, role, offsets[i] as Offset, false, incarnation, replicas);
      }
    });
    return call.count;
  }

  /** @returns how many of the entries it took */
  #send(place: RoomPlace, entries: readonly Entry[]): number {
    const { script, clock, replicas } = place;
    const [first] = entries;
    const announces = first !== undefined && isAnnouncement(first);
    const encoder = announces
      ? (this.#announcements ??= new PacketEncoder(this.#room, true))
      : (this.#packets ??= new PacketEncoder(this.#room, false));
    const call = plainCall(
      entries,
      encoder,
      clock,
      this.#mark,
      this.#knownEpoch,
      this.#guess ? offsetBefore(this.#guess) : "",
    );
    const options = { keys: keysOf(this.#room), arguments: call.arguments };
    const taken = this.#take(entries, call);
    const sentAt = performance.now();
    // An announcement alone keeps a room for a moment only.
    if (!announces) this.#renewAt = Date.now() + this.#renewMs;
    this.#await(taken, script.run(options), (reply) => {
      if (!Array.isArray(reply) || reply.length !== 4 + 2 * call.count) {
        this.#fail(taken.entries, notOurs());
        return;
      }
      const [by, newest, seconds, micros, ...answers] = reply as readonly unknown[];
      const incarnation = String(by);
      clock.compare(sentAt, [seconds, micros], incarnation);
      // A key that somebody else has written may name a place that is none.
      const offsets = taken.entries.map((_, i) => parseOffset(answers[2 * i]));
      if (offsets.includes(undefined)) {
        this.#fail(taken.entries, notOurs());
        return;
      }
      this.#learn(incarnation, newest);
      for (const [i, { answer, index, role }] of taken.entries.entries()) {
        const offset = String(answers[2 * i]) as Offset;
        const isDuplicate = Number(answers[2 * i + 1]) === 1;
        answer.succeed(index, role, offset, isDuplicate, incarnation, replicas);
      }
    });
    return call.count;
  }

  #take(all: readonly Entry[], { count, mark }: ScriptCall): UndoneCall {
    const goesOnWith = this.#mark;
    this.#mark = mark;
    return { entries: all.slice(0, count), order: this.#order++, goesOnWith, mark };
  }

  #await(taken: UndoneCall, call: Promise<unknown>, onReply: (reply: unknown) => void): void {
    this.#callsUnderWay++;
    call.then(
      (reply) => {
        this.#undone.onDone();
        onReply(reply);
        this.#onCallEnd();
      },
      (error: unknown) => {
        if (error instanceof UndoneError) this.#undo(taken, error);
        else this.#fail(taken.entries, error);
        this.#onCallEnd();
      },
    );
  }

  #onCallEnd(): void {
    this.#callsUnderWay--;
    if (this.#callsUnderWay > 0 || this.#failRestIfAny()) return;
    if (this.#undone.isEmpty) {
      if (this.#isHeld) this.flush();
      return;
    }
    const pauseMs = this.#undone.nextPauseMs();
    if (pauseMs === undefined) {
      this.#failRest(toEmitterError(this.#undone.cause));
    } else if (pauseMs > 0) {
      this.#isPaused = true;
      setTimeout(() => {
        this.#isPaused = false;
        this.flush();
      }, pauseMs);
    } else {
      this.flush();
    }
  }

  /** @returns whether something has failed, and all that was under way has ended */
  #failRestIfAny(): boolean {
    if (!this.#failure || this.#callsUnderWay > 0) return false;
    this.#failRest(this.#failure);
    return true;
  }

  /**
   * What has not been done yet fails with what was before it: its callers repeat it in its place. So does what they publish
   * until each of them has been told, which takes the rest of this turn.
   */
  #failRest(reason: EmitterError): void {
    this.#failure = reason;
    this.#isHeld = false;
    this.#failWaiting(reason);
    setImmediate(() => {
      this.#failWaiting(reason);
      this.#failure = undefined;
    });
  }

  #failWaiting(reason: EmitterError): void {
    for (const { entries } of this.#undone.take()) this.#fail(entries, reason);
    const pending = this.#pending;
    this.#pending = [];
    this.#fail(pending, reason);
  }

  #learn(incarnation: string, newest: unknown): void {
    const position = parseOffset(newest);
    if (!position) return;
    this.#knownEpoch = String(position.epoch);
    this.#guess = { incarnation, epoch: this.#knownEpoch, next: position.n + 1 };
  }

  #undo(call: UndoneCall, cause: unknown): void {
    this.#guess = undefined;
    this.#undone.add(call, cause);
  }

  #fail(entries: readonly Entry[], error: unknown): void {
    this.#guess = undefined;
    const reason = toEmitterError(error);
    if (reason.retryable) this.#failure ??= reason;
    for (const { answer } of entries) answer.fail(reason);
  }
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
