import {
  RedisPublisher,
  STANDING_LUA,
  type HistoryLimits,
  type Link,
  type Publisher,
} from "@inthon/emitter";
import {
  announcedKey,
  epochsKey,
  formatOffset,
  historyKey,
  idempotencyKeysKey,
  newKeysKey,
  olderKeysKey,
  type Position,
  type RoomName,
} from "@inthon/emitter/protocol";
import type { Broker, HistoryPage, RoomEvent } from "../ports.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { readHistoryReply } from "./incoming/history-reply.js";
import type { RedisLinks } from "./links.js";
import { loadScript, runScript } from "./scripts/script.js";
import type { RoomSubscriptions } from "./room-subscriptions.js";

const HISTORY = loadScript("history.lua", STANDING_LUA);

/** {@link Broker} on one Redis: Pub/Sub to carry, a stream for each room to remember. */
export class RedisBroker implements Broker {
  readonly publisher: Publisher;
  readonly #commands: Link;
  readonly #subscriber: Link;
  readonly #subscriptions: RoomSubscriptions;
  readonly #limits: HistoryLimits;
  readonly #refusals: Refusals;

  constructor(
    links: RedisLinks,
    subscriptions: RoomSubscriptions,
    limits: HistoryLimits,
    refusals: Refusals,
  ) {
    this.#commands = links.commands;
    this.#subscriber = links.subscriber;
    this.#subscriptions = subscriptions;
    this.#limits = limits;
    this.#refusals = refusals;
    this.publisher = new RedisPublisher(links.publishing, limits, () => Promise.resolve());
  }

  get isConnected(): boolean {
    return this.#subscriber.isUp;
  }

  onConnectionChange(listener: (isConnected: boolean) => void): void {
    // Up comes after all channels have been subscribed again.
    this.#subscriber.onChange(listener);
    // History may have been read from another Redis than the one that is heard: a primary that has been left by now.
    this.#commands.onChange((isUp) => {
      if (!isUp || !this.isConnected) return;
      listener(false);
      listener(true);
    });
  }

  subscribe(room: RoomName, listener: (event: RoomEvent) => void): Promise<void> {
    return this.#subscriptions.subscribe(room, listener);
  }

  unsubscribe(room: RoomName): Promise<void> {
    this.#subscriptions.unsubscribe(room);
    return Promise.resolve();
  }

  async read(room: RoomName, after: Position | undefined, limit: number): Promise<HistoryPage> {
    const reply = await runScript(
      this.#commands.client,
      HISTORY,
      [
        historyKey(room),
        epochsKey(room),
        newKeysKey(room),
        olderKeysKey(room),
        idempotencyKeysKey(room),
        announcedKey(room),
      ],
      [after ? formatOffset(after) : "", String(limit), String(this.#limits.historyTtlMs)],
    );
    return readHistoryReply(reply, (why) => {
      this.#refusals.note("bad_bus_message", { room, why });
    });
  }
}
