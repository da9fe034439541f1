import { randomBytes } from "node:crypto";
import { MAY_PUBLISH_LUA, type RedisClient } from "@inthon/emitter";
import {
  announcedKey,
  epochsKey,
  historyKey,
  idempotencyKeysKey,
  longEventsKey,
  newKeysKey,
  olderKeysKey,
  roomChannel,
  teachersKey,
  type RoomName,
  type SessionId,
} from "@inthon/emitter/protocol";
import { NODES_KEY } from "../leavers.js";
import { loadScript, runScript } from "../scripts/script.js";
import type { MessageListener } from "./channel-subscriptions.js";

/** Longer than any link may take to prove itself. */
const PROOF_TTL_MS = 300_000;
/** More than any number of a proof. */
const MAX_PROOF_BYTES = 16;
/** Far more than it takes to find one in a single slot. */
const MAX_TRIES = 200_000;

const scriptOf = (verb: string) =>
  loadScript("proof.lua", `local PUBLISH = '${verb}'\n${MAY_PUBLISH_LUA}`);
const SCRIPTS = { whole: scriptOf("PUBLISH"), shard: scriptOf("SPUBLISH") };

/** What publishing has answered. */
export interface ProofReply {
  readonly listeners: unknown;
  /** Redis's clock: seconds and microseconds. */
  readonly time: readonly unknown[];
  /** Which Redis answered, where that was asked for. */
  readonly incarnation: string;
  /** Whether Redis has forgotten, by the same incarnation, what the proof before had written: it was emptied. */
  readonly hasForgotten: boolean;
}

/** What is published in order to see whether it can be, and is heard: once on each way. */
export class Proof {
  readonly #has: ((channel: string) => boolean) | undefined;
  #room: RoomName;
  /** Which Redis has written the key of this room. */
  #writtenBy: string | undefined;
  #proofs = 0;
  /** Who waits to hear which proof. */
  readonly #expected = new Map<string, () => void>();

  /** @param has - of a shard: whether a channel is in it */
  constructor(has?: (channel: string) => boolean) {
    this.#has = has;
    this.#room = this.#newRoom();
  }

  get channel(): string {
    return roomChannel(this.#room);
  }

  /** Whether the channel is where it should be: slots move from one shard to another. */
  get isHere(): boolean {
    return this.#has?.(this.channel) ?? true;
  }

  /** Goes on with another channel, which is where it should be. */
  move(): void {
    this.#room = this.#newRoom();
    this.#writtenBy = undefined;
  }

  readonly listener: MessageListener = (message) => {
    if (message.length <= MAX_PROOF_BYTES) this.#expected.get(message.toString())?.();
  };

  /** @returns what is to be published, and a promise of hearing it; to be {@link Proof.end}ed */
  begin(): { readonly message: string; readonly heard: Promise<void> } {
    const message = String(++this.#proofs);
    const heard = new Promise<void>((resolve) => {
      this.#expected.set(message, resolve);
    });
    return { message, heard };
  }

  end(message: string): void {
    this.#expected.delete(message);
  }

  /** Rejects as Redis does. */
  async publish(client: RedisClient, message: string): Promise<ProofReply> {
    const room = this.#room;
    const keys = [
      `inthon:proof:{${roomChannel(room)}}`,
      historyKey(room),
      newKeysKey(room),
      olderKeysKey(room),
      epochsKey(room),
      idempotencyKeysKey(room),
      announcedKey(room),
      longEventsKey(room),
      // In another slot than the others: a node of a Redis Cluster, led to as if it were alone, refuses that.
      ...(this.#has ? [] : [NODES_KEY]),
    ];
    const script = this.#has ? SCRIPTS.shard : SCRIPTS.whole;
    const reply = await runScript({ run: (_, command) => command(client) }, script, keys, [
      String(PROOF_TTL_MS),
      roomChannel(room),
      message,
      teachersKey("inthon-proof" as SessionId),
    ]);
    const [listeners, seconds, micros, by, wasThere] = Array.isArray(reply)
      ? (reply as unknown[])
      : [];
    const incarnation = typeof by === "string" ? by : "";
    const hasForgotten = this.#writtenBy === incarnation && wasThere === 0 && room === this.#room;
    if (room === this.#room) this.#writtenBy = incarnation;
    return { listeners, time: [seconds, micros], incarnation, hasForgotten };
  }

  /** No session can have such a name, so no room is called like it; a stock adapter ignores rooms that it does not hold. */
  #newRoom(): RoomName {
    const name = `inthon:proof:${randomBytes(8).toString("hex")}`;
    for (let i = 0; i < MAX_TRIES; i++) {
      const room = `${name}${i === 0 ? "" : `.${String(i)}`}` as RoomName;
      if (this.#has?.(roomChannel(room)) ?? true) return room;
    }
    throw new Error("no slot is in this shard");
  }
}
