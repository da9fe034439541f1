import { setTimeout as delay } from "node:timers/promises";
import {
  roomName,
  ROLES,
  type Role,
  type RoomName,
  type SessionId,
} from "@inthon/emitter/protocol";
import type { Logger } from "../telemetry/log.js";
import type { ConnectionCounts } from "./ports.js";
import type { RedisClient } from "./redis-client.js";

/** A node that has not renewed its lease for this long is dead. */
const LEASE_MS = 10_000;
const RENEW_MS = 2_000;
/** A dead node stays in the list this long, which the clocks of the replicas may differ by. Its lease decides. */
const FORGET_MS = 60_000;
/** Sorted set of nodes by when, in milliseconds since 1970, they last renewed their lease. */
const NODES_KEY = "inthon:nodes";

function nodeKey(nodeId: string): string {
  return `inthon:node:{${nodeId}}`;
}

/**
 * This node's claim to be alive: one Redis hash that expires unless it is renewed, and that holds how many connections
 * the node has in each room. A dead node's counts are gone with its lease.
 */
export class NodeLease implements ConnectionCounts {
  readonly #commands: RedisClient;
  readonly #nodeId: string;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #counts = new Map<RoomName, number>();
  readonly #changed = new Set<RoomName>();
  #flush: NodeJS.Immediate | undefined;
  #renewing: Promise<void>;

  constructor(commands: RedisClient, nodeId: string, log: Logger) {
    this.#commands = commands;
    this.#nodeId = nodeId;
    this.#log = log;
    this.#renewing = this.#keepRenewing();
    // At once after the first connection and after every outage.
    commands.on("ready", () => {
      this.#renew().catch((error: unknown) => {
        log.warn({ err: error }, "the lease could not be renewed");
      });
    });
  }

  set(room: RoomName, count: number): void {
    if (count > 0) this.#counts.set(room, count);
    else this.#counts.delete(room);
    this.#changed.add(room);
    // At the end of this turn of the event loop: a thousand joins of one room are one command.
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      this.#write().catch((error: unknown) => {
        this.#log.debug({ err: error }, "connection counts wait for Redis");
      });
    });
  }

  async read(sessionId: SessionId): Promise<Record<Role, number>> {
    const nodes = await this.#commands.zRange(NODES_KEY, 0, -1);
    const rooms = ROLES.map((role) => roomName(sessionId, role));
    const counts = await Promise.all(
      nodes.map((node) => this.#commands.hmGet(nodeKey(node), rooms)),
    );
    const sum = (index: number) =>
      counts.reduce((total, ofNode) => total + Number(ofNode[index] ?? 0), 0);
    return { teacher: sum(0), student: sum(1) };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#flush) clearImmediate(this.#flush);
    await this.#renewing;
    if (!this.#commands.isReady) return;
    await Promise.all([
      this.#commands.del(nodeKey(this.#nodeId)),
      this.#commands.zRem(NODES_KEY, this.#nodeId),
    ]).catch(() => undefined);
  }

  async #keepRenewing(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (this.#commands.isReady) await this.#renew();
      } catch (error) {
        if (!signal.aborted) this.#log.warn({ err: error }, "the lease could not be renewed");
      }
      await delay(RENEW_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #renew(): Promise<void> {
    const now = Date.now();
    const [isAlive] = await Promise.all([
      this.#commands.pExpire(nodeKey(this.#nodeId), LEASE_MS),
      this.#commands.zAdd(NODES_KEY, { score: now, value: this.#nodeId }),
      this.#commands.zRemRangeByScore(NODES_KEY, "-inf", now - FORGET_MS),
      this.#commands.pExpire(NODES_KEY, FORGET_MS),
    ]);
    if (isAlive === 1) {
      await this.#write();
      return;
    }
    // The first time, or after a freeze, an outage or a Redis that forgot.
    for (const room of this.#counts.keys()) this.#changed.add(room);
    await this.#write();
  }

  async #write(): Promise<void> {
    const rooms = [...this.#changed];
    this.#changed.clear();
    const held: Record<string, number> = { alive: 1 };
    const left: RoomName[] = [];
    for (const room of rooms) {
      const count = this.#counts.get(room);
      if (count === undefined) left.push(room);
      else held[room] = count;
    }
    try {
      const key = nodeKey(this.#nodeId);
      await Promise.all([
        this.#commands.hSet(key, held),
        ...(left.length > 0 ? [this.#commands.hDel(key, left)] : []),
        this.#commands.pExpire(key, LEASE_MS),
      ]);
    } catch (error) {
      for (const room of rooms) this.#changed.add(room);
      throw error;
    }
  }
}
