import { randomUUID } from "node:crypto";
import { connect, type Emitter } from "@inthon/emitter";
import { startCluster } from "../../helpers/processes/cluster.js";
import { MemoryWatch, residentMiB } from "../../helpers/process-cost.js";
import { Crowd, type GroupReport } from "./crowd.js";
import { readSizes } from "./options.js";

const HEAP_MIB = 256;
/** What the replica may grow by beside the history that it keeps, and call it flat. */
const MAX_GROWTH_MIB = 128;
const TICK_MS = 20;
const TIMEOUT_MS = 120_000;

export interface SlowReadersOptions {
  readonly clients: number;
  /** Those of them that stop reading. */
  readonly slow: number;
  /** Events a second. */
  readonly rate: number;
  /** Of each event's text. */
  readonly bytes: number;
  readonly seconds: number;
}

/** What it cost that some did not read, and what everybody was told in the end. */
export interface SlowReadersReport {
  readonly published: number;
  readonly seconds: number;
  readonly memoryMiB: readonly number[];
  readonly growthMiB: number;
  /** Of what the room's history holds. */
  readonly historyMiB: number;
  /** Of the slow ones, and of the others. */
  readonly cut: number;
  readonly othersCut: number;
  readonly faults: number;
  readonly behind: number;
  readonly isGood: boolean;
}

/**
 * `npm run drill -- slow-readers --clients 1000 --slow 200 --rate 2000 --bytes 1024 --seconds 30`: some of a class stop
 * reading, with pongs and without, and by polling that does not poll, while much is told to their room. Then they read
 * again. The window of history is long enough for them.
 *
 * @returns whether the slow ones were cut, the memory stayed flat, and everybody was told everything once. Where the
 *   machine is too busy for the clients, others read too slowly as well: how many is printed.
 */
export async function runSlowReaders(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const defaults = { clients: 1_000, slow: 200, rate: 2_000, bytes: 1_024, seconds: 30 };
  const options = readSizes(args, defaults);
  const report = await slowReaders(options);
  print(
    `${String(options.slow)} of ${String(options.clients)} read nothing for ${report.seconds.toFixed(1)} s while ` +
      `${String(report.published)} events of ${String(options.bytes)} bytes were told: resident MiB ` +
      `${report.memoryMiB.join(" ")}, of them ${String(report.historyMiB)} for history; ` +
      `${String(report.cut)} slow ones cut, ${String(report.othersCut)} others; ` +
      `${String(report.faults)} events lost or doubled, ${String(report.behind)} clients behind`,
  );
  return report.isGood;
}

export async function slowReaders(options: SlowReadersOptions): Promise<SlowReadersReport> {
  const { clients, slow, rate, bytes, seconds } = options;
  const limit = 2 * rate * seconds;
  const cluster = await startCluster({
    replicas: 1,
    env: {
      NODE_OPTIONS: `--max-old-space-size=${String(HEAP_MIB)}`,
      HISTORY_LIMIT: String(limit),
      HISTORY_MAX_BYTES: String(Math.max(65_536, limit * (bytes + 256))),
    },
  });
  const closing: (() => Promise<unknown>)[] = [() => cluster.stop()];
  try {
    const { url, pid } = cluster.replica(0);
    const session = randomUUID();
    const emitter = await connect(cluster.redisUrl, { historyLimit: limit });
    closing.unshift(() => emitter.close());
    const crowd = await Crowd.open({ url, session, clients, polling: Math.round(slow / 10) });
    closing.unshift(() => crowd.close());
    await crowd.start(TIMEOUT_MS);
    const before = await residentMiB(pid);
    const memory = new MemoryWatch(pid, (seconds * 1_000) / 10);
    crowd.tell("sleep", slow);
    const published = await publish(emitter, session, options);
    memory.stop();
    crowd.tell("wake", slow);
    await crowd.complete(published.count, TIMEOUT_MS);
    const found = judge(await crowd.report(), slow / clients);
    const historyMiB = Math.round((published.count * (bytes + 128)) / 2 ** 20);
    const growthMiB = memory.most - before;
    return {
      published: published.count,
      seconds: published.ms / 1_000,
      memoryMiB: [before, ...memory.samples],
      growthMiB,
      historyMiB,
      ...found,
      isGood:
        found.cut === slow &&
        found.faults + found.behind === 0 &&
        growthMiB - 2 * historyMiB < MAX_GROWTH_MIB,
    };
  } finally {
    for (const close of closing) await close();
  }
}

function judge(groups: readonly GroupReport[], slowShare: number) {
  let [cut, othersCut, faults, behind] = [0, 0, 0, 0];
  for (const group of groups) {
    const slow = Math.round(group.dropped.length * slowShare);
    cut += group.dropped.slice(0, slow).filter((times) => times > 0).length;
    othersCut += group.dropped.slice(slow).filter((times) => times > 0).length;
    faults += group.faults;
    behind += group.behind;
  }
  return { cut, othersCut, faults, behind };
}

/** As many events as the rate asks for, or as many as are confirmed in time. */
async function publish(
  emitter: Emitter,
  session: string,
  { rate, bytes, seconds }: SlowReadersOptions,
): Promise<{ count: number; ms: number }> {
  const note = "n".repeat(bytes);
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < seconds * 1_000) {
    const due = Math.ceil(((performance.now() - start) / 1_000) * rate) - count;
    await Promise.all(
      Array.from({ length: due }, () =>
        emitter.emit(session, "important", { note, capture_url: null }),
      ),
    );
    count += due;
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  return { count, ms: performance.now() - start };
}
