/** Sends what strangers might send to a real server, and looks at what becomes of it and of those who behave. */
import { setTimeout as delay } from "node:timers/promises";
import { MAX_IDEMPOTENCY_KEYS } from "@inthon/emitter";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { openFiles } from "../helpers/open-files.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { Heap } from "./heap.js";
import { SESSIONS, visits, type Visit } from "./inputs.js";
import { Broken, FuzzReport } from "./verdict.js";
import { makeVisit } from "./visits.js";
import { lostMs, WaitOver, within } from "./waits.js";
import { Watch } from "./watch.js";

/** At once. */
const VISITORS = 16;
/** Made, and forgotten again, in one step. */
const BATCH = 160;
/** Before the first count of what is held: code is compiled, and caches are filled. */
const WARM_UP_VISITS = 640;
/** More is not told of one kind. */
const MAX_KEPT = 100;
/** A server that answers nobody who behaves for so long hangs. */
const HANG_MS = 12_000;
/** How often it is looked what a server still holds, and what it lets go of meanwhile when it is about to have nothing. */
const LOOK_EVERY_MS = 1_200;
const STILL_BYTES = 64 * 1024;
/** Nothing of it is left open. */
const ONCE = { connection: "close" };
const PUBLISH_MS = 30_000;
/** Between what can be seen of a process that ends, and its end. */
const END_IS_SEEN_MS = 2_000;
/** Of ten seconds: a process that was not run for so long says nothing of what others did in them. */
const STARVED_MS = 2_000;

/**
 * Who leaves is noticed soon, and who behaves has the time to answer a ping beside all who do not. Histories end, so that
 * what is published does not count as left behind.
 */
const ENV = {
  PING_INTERVAL_MS: "3000",
  PING_TIMEOUT_MS: "4000",
  CONNECT_TIMEOUT_MS: "1000",
  HISTORY_LIMIT: "50",
  NEW_CONNECTIONS_PER_S: "1000000",
  TRUST_PROXY: "127.0.0.0/8,::1",
};

export interface FuzzOptions {
  /** Goes on until so much has been sent, and so long. */
  readonly inputs: number;
  readonly seconds: number;
  readonly seed: number;
  /** The program of the server; by default the built one. */
  readonly main?: string | undefined;
  /** A server that answers nobody for so long hangs; by default 12 s. */
  readonly hangMs?: number;
  /** Called now and then. */
  readonly onProgress?: (text: string) => void;
}

/** Always resolves: with all that it has seen, whatever has become of the server or of the machine. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const report = new FuzzReport();
  let server: ServerProcess;
  try {
    server = await start(options, report);
  } catch (error) {
    report.tell(new Broken(`the server has not started: ${String(error)}`));
    return report;
  }
  const ended = server.exited.then(() => {
    const told = report.errors.at(-1) ?? server.output().slice(-4_000);
    throw new Broken(`the server has ended, after ${String(report.inputs)} inputs:\n${told}`);
  });
  try {
    await Promise.race([fuzzServer(server, options, report), ended]);
  } catch (error) {
    // Whoever speaks with a server that ends fails a moment before its end is seen.
    const noEnd = delay(END_IS_SEEN_MS).then(() => error);
    report.tell(await Promise.race([ended, noEnd]).catch((end: unknown) => end));
    // It may listen to nothing else.
    server.kill("SIGKILL");
  }
  const lostBefore = lostMs();
  await server.stop().catch((error: unknown) => {
    if (report.broken.length > 0) return;
    const isStarved = lostMs() - lostBefore > STARVED_MS;
    report.tell(isStarved ? new WaitOver(String(error)) : new Broken(String(error)));
  });
  return report;
}

function start({ main }: FuzzOptions, { errors }: FuzzReport): Promise<ServerProcess> {
  return startServer({
    ...(main !== undefined && { main }),
    env: ENV,
    node: { path: process.execPath, args: ["--inspect=127.0.0.1:0"] },
    onLine: (line) => {
      const isError = /"level":[56]0|unhandled|Error:/i.test(line);
      if (isError && errors.length < MAX_KEPT) errors.push(line.slice(0, 500));
    },
  });
}

/** @throws Broken, or WaitOver */
async function fuzzServer(
  server: ServerProcess,
  options: FuzzOptions,
  report: FuzzReport,
): Promise<void> {
  const heap = await Heap.of(server.output());
  const watch = await Watch.over(server.url, options.hangMs ?? HANG_MS);
  const send = async () => {
    const { inputs, seconds, seed, onProgress } = options;
    let round = 0;
    const visit = async (count: number) => {
      for (let made = 0; made < count; made += BATCH) {
        await makeAll(server, visits(seed + round++, BATCH), report);
        report.longestMs = watch.longestMs;
      }
    };
    const descriptors = openFiles(server.pid);
    await fillMemory(server.url);
    await visit(WARM_UP_VISITS);
    const before = await settled(server.pid, heap, descriptors);
    report.inputs = 0;
    const endsAt = performance.now() + seconds * 1_000;
    while (report.inputs < inputs || performance.now() < endsAt) {
      await visit(BATCH);
      if (round % 20 === 0) {
        const { inputs, longestMs } = report;
        onProgress?.(`${String(inputs)} inputs, longest answer ${longestMs.toFixed(0)} ms`);
      }
    }
    const after = await settled(server.pid, heap, descriptors);
    report.descriptorsLeft = after.descriptors - descriptors;
    report.bytesLeft = after.bytes - before.bytes;
    const whyNot = before.whyNot ?? after.whyNot;
    if (whyNot !== undefined) report.tell(whyNot);
    await watch.end();
    report.longestMs = watch.longestMs;
  };
  try {
    await Promise.race([send(), watch.broken]);
  } finally {
    // The server waits for whoever inspects it.
    heap.close();
  }
}

/** What a room remembers has a limit: what is kept up to that is not left behind by what comes later. */
async function fillMemory(url: string): Promise<void> {
  const batch = Array.from({ length: 1_000 }, (_, i) => {
    return { event: "new_question", question_id: i, cleaned_text: "why?", capture_url: null };
  });
  for (const session of SESSIONS) {
    for (let sent = 0; sent < MAX_IDEMPOTENCY_KEYS; sent += batch.length) {
      const what = "events to be published";
      const published = post(url, session, batch, ONCE).then(async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      });
      const status = await within(PUBLISH_MS, what, published);
      if (status !== 202) throw new Broken(`publishing is answered ${String(status)}`);
    }
  }
}

/** @throws Broken where no connection was taken */
async function makeAll(server: ServerProcess, batch: Visit[], report: FuzzReport): Promise<void> {
  const { failures } = report;
  let made = 0;
  const visitors = Array.from({ length: VISITORS }, async () => {
    for (let visit = batch.pop(); visit; visit = batch.pop()) {
      const answer = await makeVisit(server.port, visit);
      if (answer === undefined) continue;
      made++;
      report.inputs += visit.pieces.length;
      // 501 is a method that is done nowhere, which is the client's fault (RFC 9110, section 15.6.2).
      const status = /^HTTP\/1\.1 (?!501)(5\d\d)/m.exec(answer)?.[1];
      if (status === undefined || failures.length >= MAX_KEPT) continue;
      failures.push(`${status} to ${describe(visit)}`);
    }
  });
  await Promise.all(visitors);
  if (made === 0) throw new Broken("the server takes no connections");
}

function describe({ door, pieces }: Visit): string {
  return `${door}: ${JSON.stringify(pieces.map((piece) => piece.toString("latin1"))).slice(0, 2_000)}`;
}

/** What a server holds. */
interface Held {
  descriptors: number;
  /** `NaN` where it could not be counted. */
  bytes: number;
  whyNot?: unknown;
}

/**
 * What the server holds once all visitors have left, and it has let go of them: some have been gone for seconds before it
 * takes notice.
 *
 * @param atMost - descriptors that it had before
 */
async function settled(pid: number, heap: Heap, atMost: number): Promise<Held> {
  const held: Held = { descriptors: Infinity, bytes: Infinity };
  const count = async () => {
    try {
      return await heap.used();
    } catch (error) {
      held.whyNot = error;
      return NaN;
    }
  };
  await eventually(async () => {
    const { descriptors, bytes } = held;
    held.descriptors = openFiles(pid);
    held.bytes = Number.isNaN(bytes) ? bytes : await count();
    const isStill = held.descriptors === descriptors && !(bytes - held.bytes >= STILL_BYTES);
    if (isStill && held.descriptors <= atMost) return true;
    await delay(LOOK_EVERY_MS);
    return false;
  }).catch(() => undefined);
  return held;
}
