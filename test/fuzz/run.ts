/** Sends what strangers might send to a real server, and looks at what becomes of it and of those who behave. */
import { MAX_IDEMPOTENCY_KEYS } from "@inthon/emitter";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { rawPlain, rawSocketIo } from "../helpers/clients/raw-socket-io.js";
import { openFiles } from "../helpers/open-files.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { Heap } from "./heap.js";
import { SESSIONS, visits, type Visit } from "./inputs.js";
import { makeVisit } from "./visits.js";

/** At once. */
const VISITORS = 16;
/** Made, and forgotten again, in one step. */
const BATCH = 160;
/** Before the first count of what is held: code is compiled, and caches are filled. */
const WARM_UP_VISITS = 640;
const PING_EVERY_MS = 100;

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
  /** Called now and then. */
  readonly onProgress?: (text: string) => void;
}

export interface FuzzReport {
  readonly inputs: number;
  /** Answers with a status of 500 or more, each with the visit that it was given to. */
  readonly failures: readonly string[];
  /** Lines of the log that tell of an error. */
  readonly errors: readonly string[];
  /** The longest time in which somebody who behaves was answered. */
  readonly longestMs: number;
  /** What is open and held afterwards that was not before. */
  readonly descriptorsLeft: number;
  readonly bytesLeft: number;
}

/** @throws where the server has ended, or a client that behaves was cut */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { inputs, seconds, seed, main, onProgress } = options;
  const errors: string[] = [];
  const server = await startServer({
    ...(main !== undefined && { main }),
    env: ENV,
    node: { path: process.execPath, args: ["--inspect=127.0.0.1:0"] },
    onLine: (line) => {
      if (/"level":[56]0|unhandled|Error:/i.test(line)) errors.push(line.slice(0, 500));
    },
  });
  const heap = await Heap.of(server.output());
  const end = { isExpected: false };
  try {
    const watch = await watchOver(server.url);
    const failures: string[] = [];
    let sent = 0;
    let round = 0;
    const visit = async (count: number) => {
      for (let made = 0; made < count; made += BATCH) {
        const batch = visits(seed + round++, BATCH);
        sent += await makeAll(server, batch, failures);
      }
    };
    const died = server.exited.then(() => {
      if (end.isExpected) return;
      const told = errors.length === 0 ? server.output().slice(-4_000) : errors.join("\n");
      throw new Error(`the server has ended, after ${String(sent)} inputs:\n${told}`);
    });
    // Whoever goes on looks at it each time.
    died.catch(() => undefined);
    await fillMemory(server.url);
    await visit(WARM_UP_VISITS);
    const before = await settled(server, heap);
    const endsAt = performance.now() + seconds * 1_000;
    sent = 0;
    while (sent < inputs || performance.now() < endsAt) {
      await Promise.race([visit(BATCH), died]);
      if (round % 20 === 0) {
        onProgress?.(`${String(sent)} inputs, longest answer ${watch.longestMs().toFixed(0)} ms`);
      }
    }
    const after = await settled(server, heap, before.descriptors);
    await watch.end();
    end.isExpected = true;
    // It waits for whoever inspects it.
    heap.close();
    await server.stop();
    return {
      inputs: sent,
      failures,
      errors,
      longestMs: watch.longestMs(),
      descriptorsLeft: after.descriptors - before.descriptors,
      bytesLeft: after.bytes - before.bytes,
    };
  } finally {
    end.isExpected = true;
    heap.close();
    // What has gone wrong has been told.
    await server.stop().catch(() => undefined);
  }
}

/** What a room remembers has a limit: what is kept up to that is not left behind by what comes later. */
async function fillMemory(url: string): Promise<void> {
  const batch = Array.from({ length: 1_000 }, (_, i) => {
    return { event: "new_question", question_id: i, cleaned_text: "why?", capture_url: null };
  });
  for (const session of SESSIONS) {
    for (let sent = 0; sent < MAX_IDEMPOTENCY_KEYS; sent += batch.length) {
      const answer = await post(url, session, batch);
      if (answer.status !== 202) throw new Error(await answer.text());
      await answer.text();
    }
  }
}

/** @returns how many inputs they were */
async function makeAll(server: ServerProcess, batch: Visit[], failures: string[]): Promise<number> {
  let inputs = 0;
  const visitors = Array.from({ length: VISITORS }, async () => {
    for (let visit = batch.pop(); visit; visit = batch.pop()) {
      const answer = await makeVisit(server.port, visit);
      inputs += visit.pieces.length;
      const status = /^HTTP\/1\.1 (5\d\d)/m.exec(answer)?.[1];
      if (status !== undefined) failures.push(`${status} to ${describe(visit)}`);
    }
  });
  await Promise.all(visitors);
  return inputs;
}

function describe({ door, pieces }: Visit): string {
  return `${door}: ${JSON.stringify(pieces.map((piece) => piece.toString("latin1"))).slice(0, 2_000)}`;
}

/** What the server holds once all visitors have left. */
async function settled(server: ServerProcess, heap: Heap, atMost = 0) {
  let last = Infinity;
  await eventually(async () => {
    const now = openFiles(server.pid);
    const isStill = now === last;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    return isStill && (atMost === 0 || now <= atMost);
  }).catch(() => undefined);
  return { descriptors: openFiles(server.pid), bytes: await heap.used() };
}

/** Two clients that behave, and how long they have waited for an answer. */
async function watchOver(url: string) {
  const path = "/ws/session/watch/student/";
  const clients = await Promise.all([rawPlain(url, path), rawSocketIo(url, path)]);
  let longestMs = 0;
  let isOver = false;
  const watching = clients.map(async (client) => {
    while (!isOver) {
      const start = performance.now();
      await client.answersPing();
      longestMs = Math.max(longestMs, performance.now() - start);
      client.frames.items.length = 0;
      await new Promise((resolve) => setTimeout(resolve, PING_EVERY_MS));
    }
  });
  // Told at the end; until then nobody awaits it.
  const all = Promise.all(watching);
  all.catch(() => undefined);
  return {
    longestMs: () => longestMs,
    end: async () => {
      isOver = true;
      await all;
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}
