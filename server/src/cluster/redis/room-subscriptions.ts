import { NAMESPACE_CHANNEL, roomChannel, type RoomName } from "@inthon/emitter/protocol";
import type { Logger } from "../../telemetry/log.js";
import type { RoomEvent } from "../ports.js";
import type { RedisClient } from "./client.js";
import { decodeEvent } from "./decode-event.js";
import { untilDone } from "../retry.js";

type MessageListener = (message: Buffer, channel: Buffer) => void;

/**
 * The `subClient` that Socket.IO's adapter gets: its one pattern subscription, which would bring every session of the
 * cluster here, becomes one subscription for each room that this replica holds.
 *
 * Events that carry an offset go to the room's listener, which puts them in order. Everything else on these channels
 * comes from a stock emitter and goes to the adapter as it is.
 */
export class RoomSubscriptions {
  readonly #client: RedisClient;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #rooms = new Map<RoomName, MessageListener>();
  #adapterListener: MessageListener | undefined;
  #foreignListener: (() => void) | undefined;

  constructor(client: RedisClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /** Resolves when Redis has acknowledged the subscription. */
  async subscribe(room: RoomName, listener: (event: RoomEvent) => void): Promise<void> {
    const onMessage: MessageListener = (message, channel) => {
      const event = decodeEvent(message);
      if (event) listener(event);
      else this.#toAdapter(message, channel);
    };
    this.#rooms.set(room, onMessage);
    await this.#retry(async () => {
      if (this.#rooms.get(room) !== onMessage) return;
      await this.#client.subscribe(roomChannel(room), onMessage, true);
    });
  }

  async unsubscribe(room: RoomName): Promise<void> {
    const onMessage = this.#rooms.get(room);
    if (!onMessage) return;
    this.#rooms.delete(room);
    await this.#retry(() => this.#client.unsubscribe(roomChannel(room), onMessage, true));
  }

  /** Told before a message goes to the adapter. One listener. */
  onForeignEmit(listener: () => void): void {
    this.#foreignListener = listener;
  }

  close(): void {
    this.#closing.abort();
    this.#rooms.clear();
  }

  /** What `@socket.io/redis-adapter` calls on its `subClient`. */
  forAdapter(): AdapterSubClient {
    const inBackground = (attempt: () => Promise<void>) => {
      this.#retry(attempt).catch(() => undefined);
    };
    return {
      on: (event, listener) => this.#client.on(event, listener),
      off: (event, listener) => this.#client.off(event, listener),
      pSubscribe: (_pattern, listener) => {
        this.#adapterListener = listener;
        // What goes to several rooms, or to all, comes on the namespace's own channel.
        inBackground(() => this.#client.subscribe(NAMESPACE_CHANNEL, this.#toAdapter, true));
      },
      pUnsubscribe: () => {
        this.#adapterListener = undefined;
        inBackground(() => this.#client.unsubscribe(NAMESPACE_CHANNEL, this.#toAdapter, true));
      },
      subscribe: (channels, listener) => {
        inBackground(() => this.#client.subscribe(channels, listener, true));
      },
      unsubscribe: (channel, listener) => {
        inBackground(() => this.#client.unsubscribe(channel, listener, true));
      },
    };
  }

  #retry(attempt: () => Promise<void>): Promise<void> {
    return untilDone(attempt, this.#closing.signal, (error) => {
      this.#log.warn({ err: error }, "a subscription could not be changed, trying again");
    });
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
