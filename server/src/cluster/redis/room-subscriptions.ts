import { NAMESPACE_CHANNEL, roomChannel, type RoomName } from "@inthon/emitter/protocol";
import type { RedisClient } from "@inthon/emitter";
import type { Logger } from "../../telemetry/log.js";
import type { RoomEvent } from "../ports.js";
import type { ChannelSubscriptions, MessageListener } from "./channel-subscriptions.js";
import { decodeEvent } from "./decode-event.js";

/**
 * The `subClient` that Socket.IO's adapter gets: its one pattern subscription, which would bring every session of the
 * cluster here, becomes one subscription for each room that this replica holds.
 *
 * Events that carry an offset go to the room's listener, which puts them in order. Everything else on these channels
 * comes from a stock emitter and goes to the adapter as it is.
 */
export class RoomSubscriptions {
  readonly #channels: ChannelSubscriptions;
  readonly #log: Logger;
  #adapterListener: MessageListener | undefined;
  #foreignListener: (() => void) | undefined;

  constructor(channels: ChannelSubscriptions, log: Logger) {
    this.#channels = channels;
    this.#log = log;
  }

  /** Resolves when Redis has acknowledged the subscription; rejects where the room is let go before. */
  subscribe(room: RoomName, listener: (event: RoomEvent) => void): Promise<void> {
    return this.#channels.subscribe(roomChannel(room), (message, channel) => {
      const event = decodeEvent(message);
      if (event) listener(event);
      else this.#toAdapter(message, channel);
    });
  }

  unsubscribe(room: RoomName): void {
    this.#channels.unsubscribe(roomChannel(room));
  }

  /** Told before a message goes to the adapter. One listener. */
  onForeignEmit(listener: () => void): void {
    this.#foreignListener = listener;
  }

  /**
   * What `@socket.io/redis-adapter` calls on its `subClient`.
   *
   * @param client - reports errors to the adapter
   */
  forAdapter(client: Pick<RedisClient, "on" | "off">): AdapterSubClient {
    const subscribe = (channels: string | string[], listener: MessageListener) => {
      for (const channel of [channels].flat()) {
        // The adapter does not wait for it; it is let go when the adapter closes.
        this.#channels.subscribe(channel, listener).catch(() => undefined);
      }
    };
    const unsubscribe = (channels: string | string[]) => {
      for (const channel of [channels].flat()) this.#channels.unsubscribe(channel);
    };
    return {
      on: (event, listener) => client.on(event, listener),
      off: (event, listener) => client.off(event, listener),
      pSubscribe: (_pattern, listener) => {
        this.#adapterListener = listener;
        // What goes to several rooms, or to all, comes on the namespace's own channel.
        subscribe(NAMESPACE_CHANNEL, this.#toAdapter);
      },
      pUnsubscribe: () => {
        this.#adapterListener = undefined;
        unsubscribe(NAMESPACE_CHANNEL);
      },
      subscribe,
      unsubscribe,
    };
  }

  readonly #toAdapter: MessageListener = (message, channel) => {
    try {
      this.#foreignListener?.();
      this.#adapterListener?.(message, channel);
    } catch (error) {
      this.#log.warn({ err: error }, "ignored a message that is not Socket.IO's");
    }
  };
}

/** The part of a Redis client that `@socket.io/redis-adapter` 8 uses to subscribe. Pinned by a test. */
export interface AdapterSubClient {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
  pSubscribe(pattern: string, listener: MessageListener, bufferMode: true): void;
  pUnsubscribe(pattern: string, listener: MessageListener, bufferMode: true): void;
  subscribe(channels: string | string[], listener: MessageListener, bufferMode: true): void;
  unsubscribe(channels: string | string[], listener: MessageListener, bufferMode: true): void;
}
