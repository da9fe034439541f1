import {
  FLEETING_TTL_MS,
  oneRedis,
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
  longEventsKey,
  newKeysKey,
  olderKeysKey,
  type Position,
  type RoomName,
} from "@inthon/emitter/protocol";
import {
  KEEP_PART,
  type Broker,
  type EventListener,
  type HistoryPage,
  type PageLimit,
} from "../ports.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { readHistoryReply } from "./incoming/history-reply.js";
import { MAX_MESSAGE_BYTES } from "./incoming/messages.js";
import type { RedisLinks } from "./links.js";
import { loadScript, runScript } from "./scripts/script.js";
import type { RoomSubscriptions } from "./room-subscriptions.js";

const HISTORY = loadScript(
  "history.lua",
  `local MAX_ENTRY_BYTES = ${String(MAX_MESSAGE_BYTES)}\n${STANDING_LUA}`,
);
const KEEP = loadScript("keep.lua");

/** {@link Broker} on one Redis: Pub/Sub to carry, a stream for each room to remember. */
export class RedisBroker implements Broker {
  readonly publisher: Publisher;
  readonly #commands: Link;
  readonly #subscriber: Link;
  readonly #subscriptions: RoomSubscriptions;
  readonly #fleetingMs: number;
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
    this.#fleetingMs = Math.min(FLEETING_TTL_MS, limits.historyTtlMs);
    this.#refusals = refusals;
    const redis = { commands: links.publishing, clock: links.clock, replicas: links.replicas };
    this.publisher = new RedisPublisher(oneRedis(redis), limits, () => Promise.resolve());
  }

  get keepMs(): number {
    return this.#fleetingMs * KEEP_PART;
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

  subscribe(room: RoomName, listener: EventListener): Promise<void> {
    return this.#subscriptions.subscribe(room, listener);
  }

  unsubscribe(room: RoomName): Promise<void> {
    this.#subscriptions.unsubscribe(room);
    return Promise.resolve();
  }

  read(room: RoomName, after: Position | undefined, limit: PageLimit): Promise<HistoryPage> {
    return this.#read(room, after, limit, String(this.#fleetingMs));
  }

  look(room: RoomName, after: Position, limit: PageLimit): Promise<HistoryPage> {
    return this.#read(room, after, limit, "");
  }

  async keep(room: RoomName): Promise<number> {
    const args = [String(this.#fleetingMs)];
    const left = Number(await runScript(this.#commands.client, KEEP, keysOf(room), args));
    return left < 0 ? Infinity : left;
  }

  /** @param keepMs - how long the history, begun if need be, lives at least; "" to change nothing */
  async #read(
    room: RoomName,
    after: Position | undefined,
    limit: PageLimit,
    keepMs: string,
  ): Promise<HistoryPage> {
    const args = [
      after ? formatOffset(after) : "",
      String(limit.events),
      String(limit.bytes),
      keepMs,
    ];
    const reply = await runScript(this.#commands.client, HISTORY, keysOf(room), args);
    return readHistoryReply(reply, (why) => {
      this.#refusals.note("bad_bus_message", { room, why });
    });
  }
}

function keysOf(room: RoomName): string[] {
  return [
    historyKey(room),
    epochsKey(room),
    newKeysKey(room),
    olderKeysKey(room),
    idempotencyKeysKey(room),
    announcedKey(room),
    longEventsKey(room),
  ];
}
