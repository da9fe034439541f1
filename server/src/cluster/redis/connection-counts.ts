import {
  roomName,
  ROLES,
  type Role,
  type RoomName,
  type SessionId,
} from "@inthon/emitter/protocol";
import type { Logger } from "../../telemetry/log.js";
import { NODES_KEY } from "./leavers.js";
import type { NodeLease } from "./node-lease.js";
import type { ConnectionCounts } from "../ports.js";
import { within } from "../retry.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { readNames } from "./incoming/lists.js";
import { parseCount, readOr } from "./incoming/values.js";
import { loadScript, runScript } from "./scripts/script.js";
import type { Shards } from "./shards/shards.js";

const COUNTS = loadScript("counts.lua");
/** Of more nodes than any cluster has, those that have renewed their lease last are asked for. */
const MAX_NODES = 4_096;
/** So many at once: each that is under way takes memory. */
const NODES_AT_ONCE = 256;

function countsKey(node: string): string {
  return `inthon:node:{${node}}:connections`;
}

/** Counts are told together, this much later: ten thousand clients that come back at once are a few commands. */
const TELL_AFTER_MS = 100;
const CLOSE_TIMEOUT_MS = 1_000;

/** {@link ConnectionCounts} in one hash for each node, which expires with the node's lease. */
export class RedisConnectionCounts implements ConnectionCounts {
  readonly #shards: Shards;
  readonly #lease: NodeLease;
  readonly #log: Logger;
  readonly #refusals: Refusals;
  readonly #counts = new Map<RoomName, number>();
  readonly #changed = new Set<RoomName>();
  #flush: NodeJS.Timeout | undefined;

  constructor(shards: Shards, lease: NodeLease, log: Logger, refusals: Refusals) {
    this.#shards = shards;
    this.#lease = lease;
    this.#log = log;
    this.#refusals = refusals;
  }

  set(room: RoomName, count: number): void {
    if (count > 0) this.#counts.set(room, count);
    else this.#counts.delete(room);
    this.#changed.add(room);
    this.#flush ??= setTimeout(() => {
      this.#flush = undefined;
      this.#tell();
    }, TELL_AFTER_MS);
  }

  async read(sessionId: SessionId): Promise<Record<Role, number>> {
    const { texts: nodes } = await readNames(this.#shards, NODES_KEY, MAX_NODES);
    const rooms = ROLES.map((role) => roomName(sessionId, role));
    const sums = { teacher: 0, student: 0 };
    for (let i = 0; i < nodes.length; i += NODES_AT_ONCE) {
      const batch = nodes.slice(i, i + NODES_AT_ONCE);
      for (const counts of await Promise.all(batch.map((node) => this.#countsOf(node, rooms)))) {
        ROLES.forEach((role, at) => (sums[role] += parseCount(counts[at])));
      }
    }
    return sums;
  }

  async #countsOf(node: string, rooms: RoomName[]): Promise<readonly unknown[]> {
    const key = countsKey(node);
    const reply = await readOr(runScript(this.#shards, COUNTS, [key], rooms), [], () => {
      this.#refusals.note("bad_bus_message", { key, why: "somebody else uses the key" });
    });
    return Array.isArray(reply) ? (reply as readonly unknown[]) : [];
  }

  /** Tells everything, as the cluster knows nothing under the node's new name. */
  onNewName(former: string | undefined): void {
    this.#tellAll();
    if (former === undefined) return;
    // Else they would count twice until they expire.
    this.#forget(former).catch(this.#onFailure);
  }

  /** Keeps what was told, tells what could not be told, and all of it where Redis has not the same. */
  onRenewed(): void {
    if (this.#changed.size > 0) this.#tell();
    else this.#keep().catch(this.#onFailure);
  }

  async close(): Promise<void> {
    clearTimeout(this.#flush);
    const { node } = this.#lease;
    if (!this.#shards.isReady(countsKey(node))) return;
    // Where Redis does not answer, they expire with the lease.
    await within(CLOSE_TIMEOUT_MS, this.#forget(node)).catch(() => undefined);
  }

  async #forget(node: string): Promise<void> {
    const key = countsKey(node);
    await this.#shards.run(key, (client) => client.del(key));
  }

  async #keep(): Promise<void> {
    const key = countsKey(this.#lease.node);
    const [known] = await Promise.all([
      this.#shards.run(key, (client) => client.hLen(key)),
      this.#expire(key),
    ]);
    if (this.#changed.size > 0 || known === this.#counts.size) return;
    // In this order, as one goes behind the other: Redis may have too many as well as too few.
    this.#forget(this.#lease.node).catch(this.#onFailure);
    this.#tellAll();
  }

  async #expire(key: string): Promise<void> {
    await this.#shards.run(key, (client) => client.pExpire(key, this.#lease.durationMs));
  }

  #tellAll(): void {
    for (const room of this.#counts.keys()) this.#changed.add(room);
    this.#tell();
  }

  readonly #onFailure = (error: unknown): void => {
    this.#log.debug({ err: error }, "connection counts wait for Redis");
  };

  #tell(): void {
    const rooms = [...this.#changed];
    this.#changed.clear();
    this.#write(rooms).catch((error: unknown) => {
      for (const room of rooms) this.#changed.add(room);
      this.#onFailure(error);
    });
  }

  async #write(rooms: readonly RoomName[]): Promise<void> {
    const held: Record<string, number> = {};
    const left: RoomName[] = [];
    for (const room of rooms) {
      const count = this.#counts.get(room);
      if (count === undefined) left.push(room);
      else held[room] = count;
    }
    const key = countsKey(this.#lease.node);
    await Promise.all([
      ...(Object.keys(held).length > 0
        ? [this.#shards.run(key, (client) => client.hSet(key, held))]
        : []),
      ...(left.length > 0 ? [this.#shards.run(key, (client) => client.hDel(key, left))] : []),
      this.#expire(key),
    ]);
  }
}
