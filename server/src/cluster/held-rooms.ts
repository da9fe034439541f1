import type { RoomName } from "@inthon/emitter/protocol";
import type { Logger } from "../telemetry/log.js";
import type { Broker } from "./ports.js";
import { Room, type RoomListener } from "./room.js";

/** How long a room that lost its last member stays subscribed: a reloaded page is back by then. */
const LINGER_MS = 5_000;

interface HeldRoom {
  readonly room: Room;
  holders: number;
  linger: NodeJS.Timeout | undefined;
}

/** The rooms that this replica holds: subscribed while somebody is in, and a little longer. */
export class HeldRooms {
  readonly #broker: Broker;
  readonly #listener: RoomListener;
  readonly #options: { historyLimit: number; log: Logger };
  readonly #held = new Map<RoomName, HeldRoom>();

  constructor(
    broker: Broker,
    listener: RoomListener,
    options: { historyLimit: number; log: Logger },
  ) {
    this.#broker = broker;
    this.#listener = listener;
    this.#options = options;
    broker.onConnectionChange((isConnected) => {
      for (const { room } of this.#held.values()) {
        if (isConnected) room.onReconnect();
        else room.onDisconnect();
      }
    });
  }

  /** Holds the room until {@link HeldRooms.release} is called once. Await {@link Room.opened} before using it. */
  hold(name: RoomName): Room {
    let held = this.#held.get(name);
    if (!held) {
      const room = new Room(name, this.#broker, this.#listener, this.#options);
      held = { room, holders: 0, linger: undefined };
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

  close(): void {
    for (const [name, held] of this.#held) this.#drop(name, held);
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
