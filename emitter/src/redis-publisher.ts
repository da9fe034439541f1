import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { Emitter as SocketEmitter } from "@socket.io/redis-emitter";
import {
  announcedKey,
  EVENTS,
  historyKey,
  idempotencyKeysKey,
  NAMESPACE_CHANNEL,
  roomName,
  type ClassroomEvent,
  type Offset,
  type RoomName,
} from "./protocol/index.js";
import { EmitterError } from "./errors.js";
import type { Publication, Publisher, PublishResult } from "./publisher.js";

/** What is used of a client of the `redis` package; a client, a Sentinel client and a pool all have it. */
export interface RedisCommands {
  eval(script: string, options: ScriptOptions): Promise<unknown>;
  evalSha(sha1: string, options: ScriptOptions): Promise<unknown>;
}

interface ScriptOptions {
  keys: string[];
  arguments: (string | Buffer)[];
}

/** How much of each room's events is kept. */
export interface HistoryLimits {
  /** Newest events kept for each room. */
  readonly historyLimit: number;
  /** How long a room's history outlives its newest event, in milliseconds. */
  readonly historyTtlMs: number;
}

/** The design's defaults: 1,000 events and 6 hours. */
export const DEFAULT_HISTORY_LIMITS: HistoryLimits = {
  historyLimit: 1_000,
  historyTtlMs: 6 * 60 * 60 * 1_000,
};

/** Idempotency keys remembered for each room, the newest: more events than any room takes while a call is repeated. */
export const MAX_IDEMPOTENCY_KEYS = 10_000;

// In src, also when this runs from dist: the compiler does not copy it.
const SCRIPT = readFileSync(new URL("../src/publish.lua", import.meta.url), "utf8");
const SCRIPT_SHA1 = createHash("sha1").update(SCRIPT).digest("hex");

/**
 * Stands where the script puts the offset. Longer than 31 bytes, so that MessagePack writes it as str 8 (`0xd9`,
 * length, bytes), which is also how the script writes the offset.
 */
const PLACEHOLDER = "the script puts the offset of the event here";
const STR_8_HEADER_BYTES = 2;

/** Publishes through Redis with one script for each room: history, order and delivery are one step. */
export class RedisPublisher implements Publisher {
  readonly #redis: RedisCommands;
  readonly #limits: HistoryLimits;
  readonly #close: () => Promise<void>;
  readonly #packets = new PacketEncoder();

  constructor(redis: RedisCommands, limits: HistoryLimits, close: () => Promise<void>) {
    this.#redis = redis;
    this.#limits = limits;
    this.#close = close;
  }

  async publish(publications: readonly Publication[]): Promise<PublishResult[]> {
    // All scripts are written in one turn of the event loop: one round trip, executed in this order.
    return Promise.all(publications.map((publication) => this.#publishOne(publication)));
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #publishOne(publication: Publication): Promise<PublishResult> {
    const roles = EVENTS[publication.event.event].audience;
    const replies = await Promise.all(
      roles.map((role) => this.#append(roomName(publication.sessionId, role), publication)),
    );
    return {
      offsets: Object.fromEntries(roles.map((role, i) => [role, replies[i]?.offset])),
      duplicate: replies.every(({ duplicate }) => duplicate),
    };
  }

  async #append(room: RoomName, publication: Publication) {
    const { event, idempotencyKey, version } = publication;
    const packet = this.#packets.encode(room, event, version !== undefined);
    const reply = await this.#run({
      keys: [historyKey(room), idempotencyKeysKey(room), announcedKey(room)],
      arguments: [
        packet.head,
        packet.tail,
        JSON.stringify(event),
        packet.channel,
        "PUBLISH",
        String(this.#limits.historyLimit),
        String(this.#limits.historyTtlMs),
        idempotencyKey,
        String(MAX_IDEMPOTENCY_KEYS),
        version === undefined ? "" : String(version),
      ],
    });
    if (!Array.isArray(reply)) {
      throw new EmitterError("unavailable", "Redis gave an answer that is not the script's");
    }
    return { offset: String(reply[0]) as Offset, duplicate: Number(reply[1]) === 1 };
  }

  async #run(options: ScriptOptions): Promise<unknown> {
    try {
      return await this.#redis.evalSha(SCRIPT_SHA1, options);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("NOSCRIPT")) {
        return await this.#redis.eval(SCRIPT, options);
      }
      throw error;
    }
  }
}

interface EncodedPacket {
  readonly channel: string;
  readonly head: Buffer;
  readonly tail: Buffer;
}

/** Has the official emitter encode a packet, and cuts it where the offset belongs. */
class PacketEncoder {
  #published: { channel: string; message: Buffer } | undefined;
  readonly #emitter = new SocketEmitter({
    publish: (channel: string, message: Buffer) => {
      this.#published = { channel, message };
    },
  });

  /**
   * @param isAnnouncement - marks the packet for our replicas by `compress: true`, which is Socket.IO's default and so
   *   says nothing to a stock adapter
   */
  encode(room: RoomName, event: ClassroomEvent, isAnnouncement: boolean): EncodedPacket {
    const target = this.#emitter.to(room);
    const operator = isAnnouncement ? target.compress(true) : target;
    operator.emit(event.event, event, PLACEHOLDER);
    const published = this.#published;
    // The last one: what follows it is the room's name, so no payload can put a false one there.
    const cut = published?.message.lastIndexOf(PLACEHOLDER) ?? -1;
    if (!published?.channel.startsWith(NAMESPACE_CHANNEL) || cut < 0) {
      throw new Error(
        "@socket.io/redis-emitter no longer publishes the way this package relies on",
      );
    }
    return {
      channel: published.channel,
      head: published.message.subarray(0, cut - STR_8_HEADER_BYTES),
      tail: published.message.subarray(cut + PLACEHOLDER.length),
    };
  }
}
