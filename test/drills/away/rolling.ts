import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { startLoadBalancer } from "../../helpers/processes/load-balancer.js";
import { freePort } from "../../helpers/processes/ports.js";
import { startRedis } from "../../helpers/processes/redis-server.js";
import type { ServerProcess } from "../../helpers/processes/server-process.js";
import { ensureTool } from "../../helpers/tools/tools.js";
import { readSizes } from "../readers/options.js";
import { contestants, type Contestant, type Slot } from "./contestants.js";
import { Crowd, type CrowdReport } from "./crowd.js";
import { keepAsking, keepPublishing, type Asked } from "./traffic.js";

const REPLICAS = 3;
const TIMEOUT_MS = 120_000;
/** As `minReadySeconds`: a new replica is known to the balancer before an old one goes. */
const NOTICED_MS = 3_000;
/** Clients that went are back, and have calmed down. */
const CALM_MS = 5_000;

const BALANCERS = [
  ["haproxy", () => ensureTool("haproxy")],
  ["nginx", () => ensureTool("nginx")],
] as const;
type BalancerKind = (typeof BALANCERS)[number][0];

export interface RollingOptions {
  readonly clients: number;
  readonly sessions: number;
  /** Events in a second, over all sessions. */
  readonly rate: number;
  /** Connections on which is asked over HTTP, again and again. */
  readonly askers: number;
  /** DRAIN_DELAY_MS and DRAIN_SPREAD_MS of ours. */
  readonly delay: number;
  readonly spread: number;
}

/** How a rollout went for those who were there. */
export interface RollingReport extends CrowdReport, Asked {
  readonly contestant: "ours" | "stock";
  readonly balancer: BalancerKind;
  /** Replicas that did not end with exit code 0. Stock ends by the signal. */
  readonly badExits: number;
}

/**
 * `npm run drill -- rolling --clients 1000 --sessions 20`: every replica is replaced in turn, behind HAProxy and behind
 * nginx, ours and the stock server's.
 *
 * @returns whether nobody noticed of ours, and whoever was away was so for at most half of the stock server's time
 */
export async function runRolling(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const defaults = { clients: 1_000, sessions: 20, rate: 40, askers: 20 };
  const options = readSizes(args, { ...defaults, delay: 10_000, spread: 20_000 });
  print(row(HEADINGS));
  let isGood = true;
  for (const [balancer, installed] of BALANCERS) {
    await installed();
    const reports: RollingReport[] = [];
    for (const contestant of contestants(drainOf(options))) {
      const report = await rolling(contestant, balancer, options);
      reports.push(report);
      print(row(cells(report)));
    }
    const [ours, stock] = reports;
    if (!ours || !stock) throw new Error("somebody is missing");
    isGood &&= Object.keys(noticed(ours)).length === 0 && ours.awayMs.p95 <= stock.awayMs.p95 / 2;
  }
  return isGood;
}

/** Settings of our server for a rollout. */
export function drainOf(options: RollingOptions): Readonly<Record<string, string>> {
  return {
    DRAIN_DELAY_MS: String(options.delay),
    DRAIN_SPREAD_MS: String(options.spread),
    TRUST_PROXY: "1",
  };
}

/** @returns what went wrong in a rollout, and how often: nothing where nobody was hurt */
export function noticed(report: RollingReport): Readonly<Record<string, number>> {
  const { lost, doubled, flickers, neverBack, droppedTwice, failed, badExits } = report;
  const faults = { lost, doubled, flickers, neverBack, droppedTwice, failed, badExits };
  return Object.fromEntries(Object.entries(faults).filter(([, count]) => count > 0));
}

export async function rolling(
  contestant: Contestant,
  kind: BalancerKind,
  options: RollingOptions,
): Promise<RollingReport> {
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const redis = await startRedis();
    closing.unshift(() => redis.stop());
    // One more than there are replicas: the new one comes before the old one goes.
    const slots: Slot[] = [];
    for (let i = 0; i <= REPLICAS; i++) {
      slots.push({ nodeId: `replica-${String(i + 1)}`, port: await freePort() });
    }
    const [spare, ...used] = slots.reverse() as [Slot, ...Slot[]];
    const live = await Promise.all(
      used.map(async (slot) => ({ slot, server: await contestant.start(redis.url, slot) })),
    );
    closing.unshift(() => Promise.all(live.map(({ server }) => endQuickly(server))));
    const balancer = await startLoadBalancer({ kind, replicas: slots });
    closing.unshift(() => balancer.stop());
    const sessions = Array.from({ length: options.sessions }, () => randomUUID());
    const crowd = new Crowd(
      Array.from({ length: options.clients }, (_, i) => ({
        url: balancer.url,
        session: sessions[i % sessions.length] ?? "",
        role: i < sessions.length ? ("teacher" as const) : ("student" as const),
        kind:
          contestant.kinds[Math.floor(i / sessions.length) % contestant.kinds.length] ?? "stock",
      })),
    );
    closing.unshift(async () => {
      crowd.close();
    });
    await crowd.start(TIMEOUT_MS);
    const source = await contestant.openSource(redis.url, balancer.url);
    closing.unshift(() => source.close());

    const over = new AbortController();
    const asking = keepAsking(balancer.url, options.askers, over.signal);
    const rate = { sessions, perS: options.rate };
    const publishing = keepPublishing(crowd, source, rate, over.signal);
    let badExits = 0;
    let free = spare;
    for (const { slot, server } of live.splice(0)) {
      live.push({ slot: free, server: await contestant.start(redis.url, free) });
      await delay(NOTICED_MS);
      server.kill("SIGTERM");
      const { code } = await server.exited;
      if (contestant.name === "ours" && code !== 0) badExits++;
      free = slot;
      await crowd.allIn(TIMEOUT_MS);
      await delay(CALM_MS);
      crowd.mark();
    }
    over.abort();
    const { asked, failed } = await asking;
    await publishing;
    await crowd.settle(contestant.name === "ours" ? TIMEOUT_MS : CALM_MS);
    const found = { contestant: contestant.name, balancer: kind, badExits, asked, failed };
    return { ...crowd.report(), ...found };
  } finally {
    for (const close of closing) await close();
  }
}

/** Nobody is left to be sent anywhere. */
async function endQuickly(server: ServerProcess): Promise<void> {
  server.kill("SIGINT");
  await server.exited;
}

const HEADINGS = [
  "behind",
  "who",
  "lost",
  "of",
  "doubled",
  "flickers",
  "never back",
  "drops",
  "twice",
  "failed",
  "of",
  "away p50",
  "p95",
  "max",
];

function cells(report: RollingReport): string[] {
  const { balancer, contestant, awayMs } = report;
  const numbers = [
    report.lost,
    report.expected,
    report.doubled,
    report.flickers,
    report.neverBack,
    report.drops,
    report.droppedTwice,
    report.failed,
    report.asked,
  ].map(String);
  return [balancer, contestant, ...numbers, ...[awayMs.p50, awayMs.p95, awayMs.max].map(seconds)];
}

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i < 2 ? cell.padEnd(8) : cell.padStart(11))).join("");
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
