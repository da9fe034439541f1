import type { RedisClient } from "@inthon/emitter";
import {
  announcedKey,
  parseSessionId,
  roomName,
  teachersKey,
  type SessionId,
} from "@inthon/emitter/protocol";
import { FORGET_MS, heldKey, LEAVING_KEY, NODES_KEY } from "./leavers.js";
import type {
  PresenceChange,
  PresenceState,
  PresenceStore,
  PresenceView,
  Teacher,
} from "../ports.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { NAMES_LUA, readNames, readPieces, toTexts } from "./incoming/lists.js";
import { parseVersion, readOr } from "./incoming/values.js";
import { loadScript, runScript } from "./scripts/script.js";
import type { Shards } from "./shards/shards.js";

const PRESENCE = loadScript("presence.lua");
const HAND_OVER = loadScript("hand-over.lua");
const VIEW = loadScript("view.lua", NAMES_LUA);

/** Of a session whose teachers are more than any has, so many are looked at. */
const MAX_TEACHERS = 256;
/** Nodes that go at once. Of those that are more, nobody takes the place of a teacher: it is swept in its time. */
const MAX_LEAVING = 512;
/** One more than a version has, counted from 0: what is longer is seen to be none. */
const MAX_VERSION_DIGITS = 16;

/**
 * At most as long as the set. Where it runs out, nothing is lost but a number: the next one is made of the time, and so
 * is newer all the same.
 */
const MAX_VERSION_TTL_MS = 60_000;

/**
 * Leases for which a session's set outlives the last node that has looked after it. Else a set of which Redis has
 * forgotten to whom it belongs would be there for ever, where no replica holds a student who would notice.
 */
const SET_LEASES = 3;

function announcedKeyOf(sessionId: SessionId): string {
  return announcedKey(roomName(sessionId, "student"));
}

/** The members of a session's set who came lately, and took nobody's place. */
function newcomersKey(set: string): string {
  return `inthon:newcomers:{${set}}`;
}

function entryOf({ sessionId, socketId }: Teacher): string {
  return `${sessionId}/${socketId}`;
}

/** The member of a session's set. */
function memberOf({ node, socketId }: Teacher): string {
  return node === "" ? socketId : `${node}/${socketId}`;
}

/** Whoever else puts something into the set is a teacher of no node. */
function toTeacher(sessionId: SessionId, member: string): Teacher {
  const cut = member.lastIndexOf("/");
  return { sessionId, node: member.slice(0, Math.max(cut, 0)), socketId: member.slice(cut + 1) };
}

/** {@link PresenceStore} on the contract's Redis SET. */
export class RedisPresenceStore implements PresenceStore {
  readonly #shards: Shards;
  readonly #leaseMs: number;
  /** How long a set lives after a teacher in it has been sent elsewhere. */
  readonly #handedOverMs: number;
  readonly #windowMs: number;
  readonly #refusals: Refusals;

  /**
   * @param options - `leaseMs`: a node that has not renewed its lease for this long does not live; `handoverMs`: what one
   *   has sent elsewhere is believed for no longer than this; `windowMs`: of changes that follow one within this time, the
   *   last state is told when it is over
   */
  constructor(
    shards: Shards,
    options: { leaseMs: number; handoverMs: number; windowMs: number; refusals: Refusals },
  ) {
    this.#shards = shards;
    this.#leaseMs = options.leaseMs;
    this.#handedOverMs = options.handoverMs + SET_LEASES * options.leaseMs;
    this.#windowMs = options.windowMs;
    this.#refusals = options.refusals;
  }

  #on<T>(key: string, command: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.#shards.run(key, command);
  }

  async change(teacher: Teacher, change: PresenceChange): Promise<PresenceState> {
    if (change === "leave") return this.#run(teacher.sessionId, change, memberOf(teacher));
    const [leaving] = await Promise.all([
      change === "join" ? this.#leavingNodes() : [],
      // First, so that whoever finds this node dead takes out all that it may have put in.
      this.#list(teacher.node, [teacher]),
    ]);
    return this.#run(teacher.sessionId, change, memberOf(teacher), { leaving });
  }

  check(sessionId: SessionId, newerThan = 0): Promise<PresenceState> {
    return this.#run(sessionId, "check", "", { newerThan });
  }

  async settle(teacher: Teacher): Promise<void> {
    const key = heldKey(teacher.node);
    await this.#on(key, (client) => client.sRem(key, entryOf(teacher)));
  }

  async handOver(teacher: Teacher, node: string, agoMs: number): Promise<void> {
    const onTheWay = { ...teacher, node };
    // First, so that whoever finds that it has had its time takes it out.
    await this.#list(node, [onTheWay]);
    const set = teachersKey(teacher.sessionId);
    const times = [String(this.#handedOverMs), agoMs.toFixed(0)];
    const args = [memberOf(teacher), memberOf(onTheWay), ...times];
    await runScript(this.#shards, HAND_OVER, [set, newcomersKey(set)], args);
    await this.settle(teacher);
  }

  async keep(teachers: readonly Teacher[]): Promise<void> {
    const sets = teachers.map(({ sessionId }) => teachersKey(sessionId));
    await Promise.all(
      sets.map((set) => this.#on(set, (client) => client.pExpire(set, this.#handedOverMs))),
    );
  }

  async *heldBy(node: string): AsyncGenerator<readonly Teacher[]> {
    const key = heldKey(node);
    const pieces = readPieces(this.#shards, key);
    for (;;) {
      const piece = await this.#readOr(key, pieces.next(), undefined);
      if (piece === undefined || piece.done === true) return;
      const { texts, bad } = piece.value;
      if (bad > 0) this.#noteBad(key);
      yield texts.flatMap((entry) => {
        const cut = entry.indexOf("/");
        const sessionId = parseSessionId(entry.slice(0, cut));
        return sessionId ? [{ node, sessionId, socketId: entry.slice(cut + 1) }] : [];
      });
    }
  }

  async forgotten(node: string, teachers: readonly Teacher[]): Promise<readonly Teacher[]> {
    if (teachers.length === 0) return [];
    const [, ...isThere] = await Promise.all([
      this.#list(node, teachers),
      ...teachers.map((teacher) => this.#renew(teacher)),
    ]);
    return teachers.filter((_, i) => isThere[i] !== true);
  }

  async view(node: string, sessionIds: readonly SessionId[]): Promise<readonly PresenceView[]> {
    const sessions = await this.#look(sessionIds);
    // After the sets: a node is in the list before it puts anybody into a set.
    const nodes = [...new Set(sessions.flatMap(({ teachers }) => teachers.map((t) => t.node)))];
    const [[own, ...scores], ends, isClaimed] = await Promise.all([
      this.#on(NODES_KEY, (client) => client.zmScore(NODES_KEY, [node, ...nodes])),
      nodes.length === 0 ? [] : this.#endsOf(nodes),
      Promise.all(sessions.map(({ teachers }) => this.#areClaimed(teachers))),
    ]);
    // This node is about to find out that it has been forgotten itself.
    if (own === null || own === undefined) return [];
    const lastSign = new Map(nodes.map((name, i) => [name, scores[i] ?? ends[i] ?? undefined]));
    return sessions.map(({ sessionId, teachers, announced }, i) => {
      const isKnown = teachers.map((t, j) => lastSign.has(t.node) && isClaimed[i]?.[j] === 1);
      const lives = (name: string) => (lastSign.get(name) ?? 0) > own - this.#leaseMs;
      const isLive = teachers.some((t, j) => isKnown[j] && lives(t.node));
      return {
        sessionId,
        isOnline: isLive ? true : teachers.length === 0 ? false : undefined,
        abandoned: teachers.filter((t, j) => !isKnown[j] || lastSign.get(t.node) === undefined),
        announced,
      };
    });
  }

  async isOnline(sessionId: SessionId): Promise<boolean> {
    const set = teachersKey(sessionId);
    return (await this.#on(set, (client) => client.sCard(set))) > 0;
  }

  async isAnnounced(sessionId: SessionId): Promise<boolean> {
    const [announced, isOnline] = await Promise.all([
      this.#announced(sessionId),
      this.isOnline(sessionId),
    ]);
    const version = parseVersion(announced);
    return version === undefined ? isOnline : version % 2 === 1;
  }

  async forgetAnnounced(sessionId: SessionId): Promise<void> {
    const key = announcedKeyOf(sessionId);
    await this.#on(key, (client) => client.del(key));
  }

  /** Keeps the set that a teacher is in, and tells whether it is. */
  async #renew(teacher: Teacher): Promise<boolean> {
    const set = teachersKey(teacher.sessionId);
    const looking = this.#on(set, (client) => client.sIsMember(set, memberOf(teacher)));
    const [isThere] = await Promise.all([
      this.#readOr(set, looking, 0),
      // It lives longer where a node that goes has handed over what it held.
      this.#on(set, (client) => client.pExpire(set, SET_LEASES * this.#leaseMs, "GT")),
    ]);
    return isThere === 1;
  }

  /** Puts teachers on the list of those that a node holds. */
  async #list(node: string, teachers: readonly Teacher[]): Promise<void> {
    const key = heldKey(node);
    await Promise.all([
      this.#on(key, (client) => client.sAdd(key, teachers.map(entryOf))),
      this.#on(key, (client) => client.pExpire(key, FORGET_MS)),
    ]);
  }

  async #look(sessionIds: readonly SessionId[]) {
    const versions = new Map<string, unknown>();
    const members = new Map<string, readonly unknown[]>();
    const looked = [...this.#bySlot(sessionIds)].map(async ({ sets, announced }) => {
      const args = [String(MAX_TEACHERS), String(sets.length)];
      const reply = await runScript(this.#shards, VIEW, [...sets, ...announced], args);
      const found = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
      for (const [i, set] of sets.entries()) {
        const list = found[i];
        if (Array.isArray(list)) members.set(set, list);
      }
      for (const [i, key] of announced.entries()) versions.set(key, found[sets.length + i]);
    });
    await Promise.all(looked);
    return sessionIds.map((sessionId) => {
      const set = teachersKey(sessionId);
      const { texts, bad } = toTexts(members.get(set));
      const version = versions.get(announcedKeyOf(sessionId));
      if (bad > 0 || version === 0) this.#noteBad(set);
      const teachers = texts.map((member) => toTeacher(sessionId, member));
      return { sessionId, teachers, announced: parseVersion(version) };
    });
  }

  /** What one command can look at: a set is elsewhere than what students have been told. */
  #bySlot(sessionIds: readonly SessionId[]): Iterable<{ sets: string[]; announced: string[] }> {
    const slots = new Map<number, { sets: string[]; announced: string[] }>();
    const add = (kind: "sets" | "announced", key: string) => {
      const slot = this.#shards.slotOf(key);
      const keys = slots.get(slot) ?? { sets: [], announced: [] };
      slots.set(slot, keys);
      keys[kind].push(key);
    };
    for (const sessionId of sessionIds) {
      add("sets", teachersKey(sessionId));
      add("announced", announcedKeyOf(sessionId));
    }
    return slots.values();
  }

  #announced(sessionId: SessionId): Promise<string | null> {
    const key = announcedKeyOf(sessionId);
    const reading = this.#on(key, (client) => client.getRange(key, 0, MAX_VERSION_DIGITS));
    return this.#readOr(key, reading, null);
  }

  #areClaimed(teachers: readonly Teacher[]): Promise<number[]> {
    return Promise.all(
      teachers.map((teacher) => {
        const key = heldKey(teacher.node);
        const looking = this.#on(key, (client) => client.sIsMember(key, entryOf(teacher)));
        return this.#readOr(key, looking, 0);
      }),
    );
  }

  #readOr<T>(key: string, reading: Promise<T>, otherwise: T): Promise<T> {
    return readOr(reading, otherwise, () => {
      this.#noteBad(key);
    });
  }

  #noteBad(key: string): void {
    this.#refusals.note("bad_bus_message", { key, why: "somebody else uses the key" });
  }

  /** When those who are on their way are dead, by the names that they are claimed under. */
  #endsOf(nodes: string[]): Promise<(number | null)[]> {
    const reading = this.#on(LEAVING_KEY, (client) => client.zmScore(LEAVING_KEY, nodes));
    return this.#readOr(LEAVING_KEY, reading, []);
  }

  async #leavingNodes(): Promise<readonly string[]> {
    const reading = readNames(this.#shards, LEAVING_KEY, MAX_LEAVING);
    return (await this.#readOr(LEAVING_KEY, reading, { texts: [], bad: 0 })).texts;
  }

  async #run(
    sessionId: SessionId,
    operation: PresenceChange | "check",
    member: string,
    { newerThan = 0, leaving = [] }: { newerThan?: number; leaving?: readonly string[] } = {},
  ): Promise<PresenceState> {
    const teachers = teachersKey(sessionId);
    const setTtlMs = SET_LEASES * this.#leaseMs;
    const reply = await runScript(
      this.#shards,
      PRESENCE,
      // The hash tag puts all of them in the slot of the set.
      [
        teachers,
        `inthon:presence:{${teachers}}`,
        `inthon:window:{${teachers}}`,
        newcomersKey(teachers),
      ],
      [
        operation,
        member,
        String(Math.min(MAX_VERSION_TTL_MS, setTtlMs)),
        String(newerThan),
        String(setTtlMs),
        String(this.#windowMs),
        ...leaving,
      ],
    );
    const [text, waitMs] = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
    const version = parseVersion(text);
    if (version === undefined) throw new Error("the presence has no version");
    return { version, waitMs: Number(waitMs) };
  }
}
