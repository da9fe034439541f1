import type { RedisClient } from "@inthon/emitter";
import {
  announcedKey,
  parseSessionId,
  roomName,
  teachersKey,
  type SessionId,
} from "@inthon/emitter/protocol";
import { FORGET_MS } from "./node-lease.js";
import type { PresenceChange, PresenceState, PresenceStore, Teacher } from "../ports.js";
import { loadScript, runScript } from "./scripts/script.js";

const PRESENCE = loadScript("presence.lua");

/** Longer than any lecture; where it runs out, versions begin again at the time, which is later. */
const VERSION_TTL_MS = 24 * 60 * 60 * 1_000;

/** The SET of the teachers that a node holds, each as `<session>/<socket>`: what to take out when it dies. */
function heldKey(node: string): string {
  return `inthon:node:{${node}}:teachers`;
}

function entryOf({ sessionId, socketId }: Teacher): string {
  return `${sessionId}/${socketId}`;
}

/** {@link PresenceStore} on the contract's Redis SET. */
export class RedisPresenceStore implements PresenceStore {
  readonly #commands: RedisClient;

  constructor(commands: RedisClient) {
    this.#commands = commands;
  }

  async change(teacher: Teacher, change: PresenceChange): Promise<PresenceState> {
    if (change === "join") {
      // First, so that whoever finds this node dead takes out all that it may have put in.
      await Promise.all([
        this.#commands.sAdd(heldKey(teacher.node), entryOf(teacher)),
        this.#commands.pExpire(heldKey(teacher.node), FORGET_MS),
      ]);
    }
    const member = `${teacher.node}/${teacher.socketId}`;
    return this.#run(teacher.sessionId, change, member);
  }

  check(sessionId: SessionId): Promise<PresenceState> {
    return this.#run(sessionId, "check", "");
  }

  async settle(teacher: Teacher): Promise<void> {
    await this.#commands.sRem(heldKey(teacher.node), entryOf(teacher));
  }

  async heldBy(node: string): Promise<Teacher[]> {
    const entries = await this.#commands.sMembers(heldKey(node));
    return entries.flatMap((entry) => {
      const cut = entry.indexOf("/");
      const sessionId = parseSessionId(entry.slice(0, cut));
      return sessionId ? [{ node, sessionId, socketId: entry.slice(cut + 1) }] : [];
    });
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

  async #run(sessionId: SessionId, operation: string, member: string): Promise<PresenceState> {
    const teachers = teachersKey(sessionId);
    const version = await runScript(
      this.#commands,
      PRESENCE,
      // The hash tag puts the version in the slot of the set.
      [teachers, `inthon:presence:{${teachers}}`],
      [operation, member, String(VERSION_TTL_MS)],
    );
    return { version: Number(version) };
  }
}
