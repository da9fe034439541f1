import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { isSplit } from "@inthon/emitter";
import { teachersKey } from "@inthon/emitter/protocol";
import type { Logger } from "../../telemetry/log.js";
import { RENEWALS, type LeaseListener, type NameEnd } from "../ports.js";
import { within } from "../retry.js";
import { NAMES_LUA } from "./incoming/lists.js";
import { ASKED_KEY, WATCHED_KEY } from "./board-keys.js";
import { FORGET_MS, heldKey, LEAVING_KEY, Leavers, NODES_KEY } from "./leavers.js";
import { loadScript, runScript } from "./scripts/script.js";
import type { Sending, Shards } from "./shards/shards.js";

/**
 * After an outage of Redis every lease has run out. A node that has just begun its own lets the others do so too,
 * for this part of a lease, before it declares any of them dead.
 */
const SETTLE_PART = 0.5;
const MAX_DEAD = 16;
const STOP_TIMEOUT_MS = 1_000;

/** The longest time that HANDOVER_MS allows. */
const MAX_HANDOVER_MS = 600_000;

/** Of whom teachers are taken out. */
const SWEEPS: Readonly<Record<NameEnd, string>> = {
  died: "a replica has died, or was away for a lease",
  "had its time": "teachers of a replica that drained had their time to come back",
  renamed: "this replica has another name",
};

const RENEWED_KEYS = [NODES_KEY, LEAVING_KEY, WATCHED_KEY, ASKED_KEY];

const RENEW = loadScript("renew.lua", NAMES_LUA);

/** {@link LeaseListener}, for those who have something to renew with the lease. */
export interface RenewalListener extends LeaseListener {
  /**
   * The lease is held: told with each renewal.
   *
   * @param watch - whether an operator looks at the cluster, and what one asks
   */
  onHeld(watch: Watch): void;
}

/** What a renewal has found out of operators besides: `undefined` where it could not. */
export type Watch = { readonly question: string } | "nobody" | undefined;

interface Renewal {
  readonly isHeld: boolean;
  /** Nodes whose lease has run out. */
  readonly dead: readonly string[];
  /** Names of those who were on their way, and have had their time. */
  readonly late: readonly string[];
  /** Which Redis answered: another one may have less than what the one before had. */
  readonly incarnation: string;
  readonly watch: Watch;
}

/**
 * This process's claim to be alive, renewed with one command a second, however much it holds.
 *
 * A node that finds its lease gone (it was frozen, or Redis was away or forgot) does not take it up again: others may be
 * sweeping what it held. It goes on under a new name, under which it claims anew what it holds. So it does, whatever the
 * lease says, when Redis has begun anew: it may have come back with claims that were given up, and without others.
 */
export class NodeLease {
  readonly #shards: Shards;
  readonly #nodeId: string;
  readonly #leaseMs: number;
  readonly #leavers: Leavers;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #sweeping = new Set<string>();
  #node: string;
  #heldSince = 0;
  /** When Redis was last told of it: a lease that is gone before it can have run out was forgotten. */
  #renewedAt = 0;
  #isSettled = false;
  /** When a part of the cluster has begun anew, until every node has had the time to claim what was in it. */
  #partAnewAt: number | undefined;
  #incarnation = "";
  /** The name before, until what was claimed under it is taken out. */
  #former: string | undefined;
  #wake = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /**
   * @param nodeId - the replica's name; what it is called in the cluster is this and something random
   * @param times - in milliseconds. `leaseMs`: a node that has not renewed its lease for this long is dead; `handoverMs`:
   *   the members of one that has gone in order are believed for this long
   */
  constructor(
    shards: Shards,
    nodeId: string,
    { leaseMs, handoverMs }: { leaseMs: number; handoverMs: number },
    log: Logger,
  ) {
    this.#shards = shards;
    this.#nodeId = nodeId;
    this.#leaseMs = leaseMs;
    this.#leavers = new Leavers(shards, handoverMs, () => this.#newName());
    this.#log = log;
    this.#node = this.#newName();
    shards.onReady(() => {
      this.#wake.abort();
    });
  }

  /** How long a lease lasts, in milliseconds. */
  get durationMs(): number {
    return this.#leaseMs;
  }

  /** Whether it was renewed within the time that it lasts. */
  get isRenewed(): boolean {
    return this.#heldSince > 0 && performance.now() - this.#renewedAt < this.#leaseMs;
  }

  /** The node's present name. */
  get node(): string {
    return this.#node;
  }

  start(listener: RenewalListener): void {
    this.#shards.onAnew((has) => {
      if (this.#closing.signal.aborted) return;
      this.#partAnewAt = performance.now();
      const holdsAll = has(heldKey(this.#node));
      listener.onPartAnew((sessionId) => holdsAll || has(teachersKey(sessionId)));
    });
    this.#running = this.#run(listener);
  }

  /** As the port says. */
  nameOnTheWay(): Promise<string> {
    return this.#leavers.name();
  }

  /** As the port says. */
  async stop(holdsNothing: boolean): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    // Where Redis does not answer, the lease runs out by itself.
    if (!this.#shards.isReady(NODES_KEY)) return;
    const goes = this.#running.then(async () => {
      if (!this.#shards.isReady(NODES_KEY)) return;
      if (holdsNothing) await this.#forget(this.#node);
      else await this.#leavers.add(this.#node);
    });
    // Nothing holds up the end of the process.
    await within(STOP_TIMEOUT_MS, goes).catch(() => undefined);
  }

  async #forget(node: string): Promise<void> {
    await Promise.all([
      this.#shards.run(NODES_KEY, (client) => client.zRem(NODES_KEY, node)),
      this.#shards.run(LEAVING_KEY, (client) => client.zRem(LEAVING_KEY, node)),
    ]);
  }

  #newName(): string {
    return `${this.#nodeId}.${randomBytes(6).toString("hex")}`;
  }

  async #run(listener: RenewalListener): Promise<void> {
    let isFailing = false;
    const isStopping = () => this.#closing.signal.aborted;
    while (!isStopping()) {
      this.#wake = new AbortController();
      // Handled from the start: it is woken up also while a renewal is under way, when nobody awaits it yet.
      const next = delay(this.#leaseMs / RENEWALS, undefined, { signal: this.#wake.signal }).catch(
        () => undefined,
      );
      try {
        if (this.#shards.isReady(NODES_KEY)) {
          await this.#tick(listener);
          isFailing = false;
        }
      } catch (error) {
        // Once for each outage: it is tried every second.
        if (!isStopping() && !isFailing)
          this.#log.warn(
            { err: error },
            "this replica's lease cannot be renewed: if that lasts, the others take its teachers out",
          );
        isFailing = true;
      }
      // Early after a reconnection: the lease may be about to run out.
      await next;
    }
  }

  async #tick(listener: RenewalListener): Promise<void> {
    let renewal = await this.#renew(this.#heldSince === 0);
    const isAnew =
      ![this.#incarnation, renewal.incarnation].includes("") &&
      this.#incarnation !== renewal.incarnation;
    if (!renewal.isHeld || isAnew) {
      const why = this.#whyGone(isAnew);
      this.#log.warn({ lease: this.#node }, `${why}: claiming everything under a new name`);
      // The one under which something was claimed: where this is broken off here, it is done again.
      this.#former ??= this.#node;
      this.#incarnation = renewal.incarnation;
      this.#node = this.#newName();
      this.#heldSince = 0;
      renewal = await this.#renew(true);
    }
    this.#incarnation = renewal.incarnation;
    this.#renewedAt = performance.now();
    if (this.#heldSince === 0) this.#begin(listener);
    listener.onHeld(renewal.watch);
    const settleMs = SETTLE_PART * this.#leaseMs;
    if (performance.now() - this.#heldSince < settleMs) return;
    if (this.#partAnewAt !== undefined && performance.now() - this.#partAnewAt >= settleMs) {
      this.#partAnewAt = undefined;
      this.#isSettled = false;
    }
    if (this.#isSettled) {
      listener.onRenewed();
    } else {
      this.#isSettled = true;
      listener.onSettled();
    }
    for (const node of renewal.dead) this.#sweep(node, "died", listener);
    for (const node of renewal.late) this.#sweep(node, "had its time", listener);
  }

  #whyGone(isAnew: boolean): string {
    if (isAnew) return "Redis has begun anew, or another master of it has the list of replicas";
    const isEarly = performance.now() - this.#renewedAt < this.#leaseMs;
    return isEarly
      ? "Redis has forgotten this replica, as if it had been emptied (FLUSHALL)"
      : "the lease ran out";
  }

  /** Begins a lease under a new name. */
  #begin(listener: RenewalListener): void {
    const former = this.#former;
    this.#former = undefined;
    this.#heldSince = performance.now();
    this.#isSettled = false;
    listener.onNewName(former);
    // Nobody else would find the claims that were made since Redis forgot the name.
    if (former !== undefined) this.#sweep(former, "renamed", listener);
  }

  #sweep(node: string, end: NameEnd, listener: LeaseListener): void {
    if (node === this.#node || this.#sweeping.has(node)) return;
    this.#sweeping.add(node);
    this.#log.info({ gone: node }, `${SWEEPS[end]}: taking out whoever is left`);
    listener
      .onEnd(node, end)
      .then(() => this.#forget(node))
      .catch((error: unknown) => {
        this.#log.warn({ err: error, gone: node }, "sweeping failed, trying again");
      })
      .finally(() => {
        this.#sweeping.delete(node);
      });
  }

  async #renew(isNew: boolean): Promise<Renewal> {
    const how = isNew ? "1" : "";
    try {
      return await this.#ask(RENEWED_KEYS, how, { canSplit: true });
    } catch (error) {
      if (!isSplit(error)) throw error;
    }
    // Their slot is on its way, and one is not where the others are: each alone is found.
    const renewal = await this.#ask([NODES_KEY], how);
    // The lease is held, whatever becomes of this one; it is asked again with the next renewal.
    const late = await this.#ask([LEAVING_KEY], "late").then(
      (reply) => reply.late,
      () => [],
    );
    return { ...renewal, late };
  }

  async #ask(keys: string[], how: "1" | "" | "late", sending?: Sending): Promise<Renewal> {
    const args = [
      this.#node,
      String(this.#leaseMs),
      how,
      String(FORGET_MS),
      String(MAX_DEAD),
      String(MAX_HANDOVER_MS),
    ];
    const reply = await runScript(this.#shards, RENEW, keys, args, sending);
    const [held, dead, late, incarnation, watch] = Array.isArray(reply)
      ? (reply as readonly unknown[])
      : [];
    return {
      isHeld: held === 1,
      dead: namesIn(dead),
      late: namesIn(late),
      incarnation: String(incarnation),
      watch: watchIn(watch),
    };
  }
}

function watchIn(watch: unknown): Watch {
  if (typeof watch !== "string") return undefined;
  return watch === "" ? "nobody" : { question: watch.slice(1) };
}

function namesIn(list: unknown): readonly string[] {
  if (!Array.isArray(list)) throw new Error("the list of nodes was not told");
  return list.filter((name) => typeof name === "string");
}
