import { NAMESPACE_CHANNEL, roomChannel, type RoomName } from "@inthon/emitter/protocol";
import type { Refusals } from "../../telemetry/refusals.js";
import type { EventListener, Postmark } from "../ports.js";
import { BadBusMessage, decodeEvent, type Arrival } from "./incoming/messages.js";
import type { MessageListener } from "./shards/channel-subscriptions.js";
import type { Shards } from "./shards/shards.js";

/**
 * The `subClient` that Socket.IO's adapter gets: its one pattern subscription, which would bring every session of the
 * cluster here, becomes one subscription for each room that this replica holds.
 *
 * Events that carry an offset go to the room's listener, which puts them in order. Everything else on these channels
 * comes from a stock emitter and goes to the adapter. What neither of them writes is counted and ignored.
 */
export class RoomSubscriptions {
  readonly #shards: Shards;
  readonly #refusals: Refusals;
  /** By their channels. */
  readonly #rooms = new Map<string, RoomName>();
  #adapterListener: MessageListener | undefined;
  #foreignListener: (() => void) | undefined;

  constructor(shards: Shards, refusals: Refusals) {
    this.#shards = shards;
    this.#refusals = refusals;
  }

  /** Resolves when Redis has acknowledged the subscription; rejects where the room is let go before. */
  subscribe(room: RoomName, listener: EventListener): Promise<void> {
    const own = roomChannel(room);
    this.#rooms.set(own, room);
    const clock = this.#shards.clockOf(own);
    return this.#shards.subscribe(own, (message, channel) => {
      const arrival = this.#checked(channel, () => decodeEvent(message));
      if (arrival === "bad") return;
      if (arrival) listener(arrival.event, postmarkOf(arrival, clock));
      else this.#toAdapter(message, channel);
    });
  }

  unsubscribe(room: RoomName): void {
    this.#rooms.delete(roomChannel(room));
    this.#shards.unsubscribe(roomChannel(room));
  }

  /** The rooms that are subscribed to by these channels. */
  *roomsOf(channels: readonly string[]): Iterable<RoomName> {
    for (const channel of channels) {
      const room = this.#rooms.get(channel);
      if (room) yield room;
    }
  }

  /** Told before a message goes to the adapter. One listener. */
  onForeignEmit(listener: () => void): void {
    this.#foreignListener = listener;
  }

  /**
   * What `@socket.io/redis-adapter` gets for its `subClient`.
   *
   * What it would subscribe to beside its pattern are requests of other servers and the answers to them: to disconnect
   * clients, to move them, to say who is there. This product makes none, so it listens to none.
   */
  forAdapter(): AdapterSubClient {
    return {
      ...NO_CLIENT,
      pSubscribe: (_pattern, listener) => {
        this.#adapterListener = listener;
        // What goes to several rooms, or to all, comes on the namespace's own channel. The adapter does not wait for it.
        this.#shards.subscribeToAll(NAMESPACE_CHANNEL, this.#toAdapter);
      },
      pUnsubscribe: () => {
        this.#adapterListener = undefined;
        this.#shards.unsubscribeFromAll(NAMESPACE_CHANNEL);
      },
    };
  }

  readonly #toAdapter: MessageListener = (message, channel) => {
    this.#checked(channel, () => {
      this.#foreignListener?.();
      this.#adapterListener?.(message, channel);
    });
  };

  /** What `read` returns, or "bad" where the message is nobody's: that is counted, and harms nobody. */
  #checked<T>(channel: Buffer, read: () => T): T | "bad" {
    try {
      return read();
    } catch (error) {
      const why = error instanceof BadBusMessage ? error.message : "Socket.IO cannot send it";
      this.#refusals.note("bad_bus_message", { channel: channel.toString(), why });
      return "bad";
    }
  }
}

function postmarkOf(
  { publishedAt, trace }: Arrival,
  clock: ReturnType<Shards["clockOf"]>,
): Postmark | undefined {
  if (publishedAt === undefined && trace === undefined) return undefined;
  const at = publishedAt === undefined ? undefined : clock.toMonotonic(publishedAt);
  return { publishedAt: at, trace };
}

const nothing = (): void => undefined;
/** Of a client of Redis, what the adapter calls on both of those that it is given. */
export const NO_CLIENT = { on: nothing, off: nothing, subscribe: nothing, unsubscribe: nothing };

/** The part of a Redis client that `@socket.io/redis-adapter` 8 uses to subscribe. Pinned by a test. */
export interface AdapterSubClient {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
  pSubscribe(pattern: string, listener: MessageListener, bufferMode: true): void;
  pUnsubscribe(pattern: string, listener: MessageListener, bufferMode: true): void;
  subscribe(channels: string | string[], listener: MessageListener, bufferMode: true): void;
  unsubscribe(channels: string | string[], listener: MessageListener, bufferMode: true): void;
}
