import { createHash } from "node:crypto";
import { announcedKey, roomName, teachersKey, type SessionId } from "@inthon/emitter/protocol";
import type { PresenceState, PresenceStore } from "./ports.js";
import { loadScript, runScript, type RedisClient } from "./redis-client.js";

const text = loadScript("presence.lua");
const PRESENCE = { text, sha1: createHash("sha1").update(text).digest("hex") };

/** Longer than any lecture; where it runs out, versions begin again at the time, which is later. */
const VERSION_TTL_MS = 24 * 60 * 60 * 1_000;

/** {@link PresenceStore} on the contract's Redis SET. */
export class RedisPresenceStore implements PresenceStore {
  readonly #commands: RedisClient;

  constructor(commands: RedisClient) {
    this.#commands = commands;
  }

  async change(
    sessionId: SessionId,
    member: string,
    change: "join" | "leave",
  ): Promise<PresenceState> {
    const teachers = teachersKey(sessionId);
    const version = await runScript(
      this.#commands,
      PRESENCE,
      // The hash tag puts the version in the slot of the set.
      [teachers, `inthon:presence:{${teachers}}`],
      [change, member, String(VERSION_TTL_MS)],
    );
    return { version: Number(version) };
  }

  async isOnline(sessionId: SessionId): Promise<boolean> {
    return (await this.#commands.sCard(teachersKey(sessionId))) > 0;
  }

  async isAnnounced(sessionId: SessionId): Promise<boolean> {
    const [announced, isOnline] = await Promise.all([
      this.#commands.get(announcedKey(roomName(sessionId, "student"))),
      this.isOnline(sessionId),
    ]);
    return announced === null ? isOnline : Number(announced) % 2 === 1;
  }
}
