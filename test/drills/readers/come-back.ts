import { randomUUID } from "node:crypto";
import { connect } from "@inthon/emitter";
import { rawPlain } from "../../helpers/clients/raw-socket-io.js";
import { startCluster } from "../../helpers/processes/cluster.js";
import { cpuSeconds, MemoryWatch, residentMiB } from "../../helpers/process-cost.js";
import { Crowd } from "./crowd.js";
import { readSizes } from "./options.js";

const HEAP_MIB = 256;
const PUBLISHED_AT_ONCE = 50;
/** What the replica may grow by, for a thousand connections and what waits for them. */
const MAX_GROWTH_MIB = 100;
const MAX_WAIT_MS = 5_000;
const TIMEOUT_MS = 120_000;
const PING_PAUSE_MS = 50;

export interface ComeBackOptions {
  readonly clients: number;
  readonly events: number;
  /** Of each event's text. */
  readonly bytes: number;
}

/** What a class that came back saw, and what it cost. */
export interface ComeBackReport {
  readonly growthMiB: number;
  /** Processor time of the replica. */
  readonly cpuS: number;
  readonly connectedMs: number;
  readonly longestWaitMs: number;
  readonly allMs: number;
  /** The longest that somebody of another session waited for the answer to a ping. */
  readonly bystanderMs: number;
  readonly faults: number;
  readonly behind: number;
  readonly dropped: number;
  readonly isGood: boolean;
}

/**
 * `npm run drill -- come-back --clients 1000 --events 1000 --bytes 4096`: a class that comes back at once over a long
 * history, to a replica with 256 MB of heap that has never held its room.
 *
 * @returns whether all resumed, in time, and the replica's memory grew by little
 */
export async function runComeBack(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const options = readSizes(args, { clients: 1_000, events: 1_000, bytes: 4_096 });
  const report = await comeBack(options);
  print(
    `${String(options.clients)} clients over ${String(options.events)} events of ${String(options.bytes)} bytes: ` +
      `memory grew by ${String(report.growthMiB)} MiB, ${report.cpuS.toFixed(1)} s of CPU; all connected after ${String(report.connectedMs)} ms, ` +
      `all told after ${String(report.allMs)} ms, nobody waited longer than ${String(report.longestWaitMs)} ms, ` +
      `a bystander ${String(report.bystanderMs)} ms; ${String(report.faults)} faults, ` +
      `${String(report.behind)} behind, ${String(report.dropped)} cut`,
  );
  return report.isGood;
}

export async function comeBack({
  clients,
  events,
  bytes,
}: ComeBackOptions): Promise<ComeBackReport> {
  const cluster = await startCluster({
    replicas: 1,
    env: {
      NODE_OPTIONS: `--max-old-space-size=${String(HEAP_MIB)}`,
      HISTORY_LIMIT: String(events),
      HISTORY_MAX_BYTES: String(Math.max(65_536, 2 * events * (bytes + 256))),
    },
  });
  const closing: (() => Promise<unknown>)[] = [() => cluster.stop()];
  try {
    const { url, pid } = cluster.replica(0);
    const session = randomUUID();
    const emitter = await connect(cluster.redisUrl, { historyLimit: events });
    closing.unshift(() => emitter.close());
    const offset = await publish(emitter, session, events, bytes);
    const bystander = await rawPlain(url, `/ws/session/${randomUUID()}/student/`);
    closing.unshift(() => bystander.close());
    const crowd = await Crowd.open({ url, session, clients, resume: { offset, last: events } });
    closing.unshift(() => crowd.close());

    const before = await residentMiB(pid);
    const cpuBefore = await cpuSeconds(pid);
    const memory = new MemoryWatch(pid, 50);
    const pinging = new AbortController();
    const bystanderMs = longestPing(bystander, pinging.signal);
    await crowd.start(TIMEOUT_MS);
    await crowd.complete(events, TIMEOUT_MS);
    pinging.abort();
    memory.stop();
    const groups = await crowd.report();
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const found = {
      growthMiB: memory.most - before,
      cpuS: (await cpuSeconds(pid)) - cpuBefore,
      connectedMs: Math.max(...groups.map(({ connectedMs }) => connectedMs)),
      longestWaitMs: Math.max(...groups.map(({ longestWaitMs }) => longestWaitMs)),
      allMs: Math.max(...groups.map(({ allMs }) => allMs)),
      bystanderMs: await bystanderMs,
      faults: sum(groups.map(({ faults }) => faults)),
      behind: sum(groups.map(({ behind }) => behind)),
      dropped: sum(groups.flatMap(({ dropped }) => dropped)),
    };
    const isInTime = Math.max(found.longestWaitMs, found.bystanderMs) <= MAX_WAIT_MS;
    const isWhole = found.faults + found.behind === 0;
    return { ...found, isGood: isWhole && isInTime && found.growthMiB < MAX_GROWTH_MIB };
  } finally {
    for (const close of closing) await close();
  }
}

/** @returns the offset in front of the first event */
async function publish(
  emitter: Awaited<ReturnType<typeof connect>>,
  session: string,
  count: number,
  bytes: number,
): Promise<string> {
  let first: string | undefined;
  for (let n = 0; n < count; n += PUBLISHED_AT_ONCE) {
    const size = Math.min(PUBLISHED_AT_ONCE, count - n);
    const results = await Promise.all(
      Array.from({ length: size }, () =>
        emitter.emit(session, "important", { note: "n".repeat(bytes), capture_url: null }),
      ),
    );
    first ??= results[0]?.offsets.student;
  }
  return (first ?? "").replace(/-1$/, "-0");
}

async function longestPing(
  connection: Awaited<ReturnType<typeof rawPlain>>,
  signal: AbortSignal,
): Promise<number> {
  let longest = 0;
  while (!signal.aborted) {
    const before = performance.now();
    await connection.answersPing();
    longest = Math.max(longest, performance.now() - before);
    await new Promise((resolve) => setTimeout(resolve, PING_PAUSE_MS));
  }
  return Math.round(longest);
}
