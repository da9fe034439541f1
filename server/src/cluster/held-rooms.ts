import type { RoomName } from "@inthon/emitter/protocol";
import { KEEP_PART, type Broker } from "./ports.js";
import { Room, type RoomListener, type RoomOptions } from "./room.js";
import { Round } from "./round.js";

/** All rooms are looked at in this many parts, so that Redis is not asked about ten thousand at once. */
const KEEP_TURNS = 15;
/** A history that lives longer is asked about again after this time: Redis may have lost it. */
const MAX_KEEP_MS = 600_000;

/** How long a room that lost its last member stays subscribed: a reloaded page is back by then. */
const LINGER_MS = 5_000;

interface HeldRoom {
  readonly room: Room;
  holders: number;
  linger: NodeJS.Timeout | undefined;
  /** When its history must be kept, by the process's clock. */
  keepAt: number;
}

/** The rooms that this replica holds: subscribed while somebody is in, and a little longer. */
export class HeldRooms {
  readonly #broker: Broker;
  readonly #listener: RoomListener;
  readonly #options: RoomOptions;
  readonly #held = new Map<RoomName, HeldRoom>();
  readonly #round = new Round<HeldRoom>(KEEP_TURNS);
  readonly #keeping: NodeJS.Timeout;

  constructor(broker: Broker, listener: RoomListener, options: RoomOptions) {
    this.#broker = broker;
    this.#listener = listener;
    this.#options = options;
    broker.onHearingChange((isHeard, rooms) => {
      for (const name of rooms === "all" ? this.#held.keys() : rooms) {
        const held = this.#held.get(name);
        if (!held) continue;
        held.keepAt = 0;
        if (isHeard) held.room.onReconnect();
        else held.room.onDisconnect();
      }
    });
    this.#keeping = setInterval(() => {
      this.#keepSome();
    }, broker.keepMs / KEEP_TURNS).unref();
  }

  /** Holds the room until {@link HeldRooms.release} is called once. Await {@link Room.opened} before using it. */
  hold(name: RoomName): Room {
    let held = this.#held.get(name);
    if (!held) {
      const room = new Room(name, this.#broker, this.#listener, this.#options);
      held = { room, holders: 0, linger: undefined, keepAt: 0 };
      this.#held.set(name, held);
    }
    held.holders++;
    clearTimeout(held.linger);
    held.linger = undefined;
    return held.room;
  }

  release(name: RoomName): void {
    const held = this.#held.get(name);
    if (!held || --held.holders > 0) return;
    held.linger = setTimeout(() => {
      this.#drop(name, held);
    }, LINGER_MS).unref();
  }

  /** How often a room is held. */
  holders(name: RoomName): number {
    return this.#held.get(name)?.holders ?? 0;
  }

  /** A room, if it is held. */
  find(name: RoomName): Room | undefined {
    return this.#held.get(name)?.room;
  }

  /** All rooms that are held. */
  *all(): Iterable<Room> {
    for (const { room } of this.#held.values()) yield room;
  }

  /** All of them, each with how often it is held. */
  *census(): Iterable<{ readonly room: Room; readonly holders: number }> {
    yield* this.#held.values();
  }

  /** How much is held. */
  get size(): { readonly rooms: number; readonly cachedEvents: number } {
    let cachedEvents = 0;
    for (const { room } of this.#held.values()) cachedEvents += room.cachedEvents;
    return { rooms: this.#held.size, cachedEvents };
  }

  close(): void {
    clearInterval(this.#keeping);
    for (const [name, held] of this.#held) this.#drop(name, held);
  }

  /** Keeps the histories of the next part of the rooms, of those that somebody is in and that would end soon. */
  #keepSome(): void {
    const now = performance.now();
    const { keepMs } = this.#broker;
    for (const held of this.#round.next(() => this.#held.values())) {
      if (held.holders === 0 || held.keepAt > now) continue;
      this.#broker.keep(held.room.name).then(
        (leftMs) => {
          // One that has just been kept ends after a few more rounds.
          held.keepAt = now + Math.min(leftMs - keepMs / KEEP_PART, MAX_KEEP_MS);
        },
        (error: unknown) => {
          this.#options.log.debug({ err: error, room: held.room.name }, "history waits for Redis");
        },
      );
    }
  }

  #drop(name: RoomName, held: HeldRoom): void {
    clearTimeout(held.linger);
    this.#held.delete(name);
    held.room.close();
    this.#broker.unsubscribe(name).catch((error: unknown) => {
      this.#options.log.warn({ err: error, room: name }, "unsubscribing failed");
    });
  }
}
