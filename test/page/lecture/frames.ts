import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, CDPSession, Page } from "playwright-core";
import { percentile } from "../../drills/hostile/percentile.js";
import { type ServerProcess, startServer } from "../../helpers/processes/server-process.js";
import { openBrowser } from "../helpers/demo-page.js";

const EVENTS = 1_000;
const MORE_EVENTS = 5_000;
const DURATION_MS = 60_000;
const BATCH = 100;
const MAX_FRAME_MS = 16;
/** What the page may keep more after five times as many events: what its lists hold is long full by then. */
const MAX_GROWTH = 1.5;
const SETTLE_MS = 1_000;
const CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline"];
/** What the main thread does once for each frame, within a task. */
const FRAME = "PrePaint";
const MIB = 1024 * 1024;

/**
 * 1,000 events in a minute on each screen, with the drawer open: what the main thread does for a frame, and what the page
 * keeps after 1,000 events and after 5,000.
 *
 * @returns whether the 95th percentile is below 16 ms, and memory bounded
 */
export async function measureFrames(print: (line: string) => void): Promise<boolean> {
  const server = await startServer();
  const browser = await openBrowser();
  let isFine = true;
  try {
    for (const role of ["teacher", "student"]) {
      const { works, heaps } = await measure(browser, server, role);
      const p95 = percentile(works, 0.95);
      const [first = 0, last = 0] = heaps;
      isFine &&= p95 < MAX_FRAME_MS && last < first * MAX_GROWTH;
      print(
        `${role}: ${String(works.length)} frames, main thread p50 ${percentile(works, 0.5).toFixed(1)}, p95 ${p95.toFixed(1)}, max ${(works.at(-1) ?? NaN).toFixed(1)} ms; heap ${(first / MIB).toFixed(1)} MiB after ${String(EVENTS)} events, ${(last / MIB).toFixed(1)} after ${String(MORE_EVENTS)}`,
      );
    }
  } finally {
    await browser.close();
    await server.stop();
  }
  return isFine;
}

async function measure(
  browser: Browser,
  { url }: ServerProcess,
  role: string,
): Promise<{ readonly works: number[]; readonly heaps: number[] }> {
  const session = randomUUID();
  const page = await browser.newPage({ baseURL: url, viewport: { width: 1280, height: 800 } });
  try {
    await page.goto(`/?session=${session}&role=${role}`);
    await page.locator('body[data-state="connected"]').waitFor();
    await page.locator('[aria-controls="drawer"]').click();
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable");
    await browser.startTracing(page, { categories: CATEGORIES });
    const startedAt = performance.now();
    for (let i = 0; i < EVENTS; i++) {
      await publish(url, session, [eventOf(i)]);
      const dueMs = startedAt + ((i + 1) * DURATION_MS) / EVENTS;
      await delay(Math.max(0, dueMs - performance.now()));
    }
    const works = worksOf(JSON.parse((await browser.stopTracing()).toString()) as Trace);
    const heaps = [await heapOf(page, cdp)];
    for (let i = EVENTS; i < MORE_EVENTS; i += BATCH)
      await publish(
        url,
        session,
        Array.from({ length: BATCH }, (_, n) => eventOf(i + n)),
      );
    heaps.push(await heapOf(page, cdp));
    return { works, heaps };
  } finally {
    await page.close();
  }
}

/** Of a lively lecture: mostly votes and likes. */
function eventOf(i: number): object {
  const capture_url = "/sample-capture.svg";
  const question_id = Math.floor(i / 10);
  const cleaned_text = `Why is it so, where the curve has corner number ${String(i)}?`;
  if (i % 10 === 0) return { event: "new_question", question_id, cleaned_text, capture_url: null };
  if (i % 20 === 5) return { event: "important", note: `Moment ${String(i)}`, capture_url };
  if (i % 3 === 0) return { event: "question_like_update", question_id, like_count: i % 50 };
  return { event: "feedback", feedback_type: i % 7 < 3 ? "HARD" : "OK" };
}

async function publish(url: string, session: string, events: readonly object[]): Promise<void> {
  const response = await fetch(`${url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(events),
  });
  if (response.status !== 202) throw new Error(await response.text());
}

async function heapOf(page: Page, cdp: CDPSession): Promise<number> {
  await page.waitForTimeout(SETTLE_MS);
  await cdp.send("HeapProfiler.collectGarbage");
  const { metrics } = await cdp.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? NaN;
}

interface Trace {
  readonly traceEvents: readonly {
    readonly name: string;
    readonly ph: string;
    readonly pid: number;
    readonly tid: number;
    readonly ts: number;
    /** Of the thread's own time, in µs: what others use of the machine meanwhile is none of the page's. */
    readonly tdur?: number;
    readonly dur?: number;
  }[];
}

/** For each frame how long the main thread worked since the one before, in ms, ascending: scripts, styles, layout, painting. */
function worksOf({ traceEvents }: Trace): number[] {
  const [first] = traceEvents.filter(({ name }) => name === FRAME);
  if (!first) throw new Error("the page drew nothing");
  const here = traceEvents
    .filter(({ pid, tid }) => pid === first.pid && tid === first.tid)
    .sort((a, b) => a.ts - b.ts);
  const frames = here.filter(({ name }) => name === FRAME).map(({ ts }) => ts);
  const works: number[] = [];
  let workMs = 0;
  for (const { name, ph, ts, dur = 0, tdur = dur } of here) {
    if (name !== "RunTask" || ph !== "X") continue;
    workMs += tdur / 1_000;
    const [next = Infinity] = frames;
    if (next > ts + dur) continue;
    frames.shift();
    works.push(workMs);
    workMs = 0;
  }
  if (works.length === 0) throw new Error("the trace has no frames");
  return works.sort((a, b) => a - b);
}
