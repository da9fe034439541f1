import {
  FLEETING_TTL_MS,
  RedisPublisher,
  STANDING_LUA,
  type HistoryLimits,
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
  roomChannel,
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
import { loadScript, runScript } from "./scripts/script.js";
import type { RoomSubscriptions } from "./room-subscriptions.js";
import type { Shards } from "./shards/shards.js";

const HISTORY = loadScript(
  "history.lua",
  `local MAX_ENTRY_BYTES = ${String(MAX_MESSAGE_BYTES)}\n${STANDING_LUA}`,
);
const KEEP = loadScript("keep.lua");

/** {@link Broker} on Redis: Pub/Sub to carry, a stream for each room to remember. */
export class RedisBroker implements Broker {
  readonly publisher: Publisher;
  readonly #shards: Shards;
  readonly #subscriptions: RoomSubscriptions;
  readonly #fleetingMs: number;
  readonly #refusals: Refusals;

  constructor(
    shards: Shards,
    subscriptions: RoomSubscriptions,
    limits: HistoryLimits,
    refusals: Refusals,
  ) {
    this.#shards = shards;
    this.#subscriptions = subscriptions;
    this.#fleetingMs = Math.min(FLEETING_TTL_MS, limits.historyTtlMs);
    this.#refusals = refusals;
    this.publisher = new RedisPublisher(shards.redises, limits, () => Promise.resolve());
  }

  get keepMs(): number {
    return this.#fleetingMs * KEEP_PART;
  }

  isHeard(room: RoomName): boolean {
    return this.#shards.isHeard(roomChannel(room));
  }

  onHearingChange(listener: (isHeard: boolean, rooms: "all" | Iterable<RoomName>) => void): void {
    this.#shards.onHearingChange((isHeard, channels) => {
      listener(isHeard, channels === "all" ? "all" : this.#subscriptions.roomsOf(channels));
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
    const left = Number(await runScript(this.#shards, KEEP, keysOf(room), args));
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
    const reply = await runScript(this.#shards, HISTORY, keysOf(room), args);
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
