/**
 * A process of its own: well-behaved students of both kinds, and who publishes to them. Tells what they saw since it was
 * asked last. Publishing and hearing have one clock here.
 */
import { performance } from "node:perf_hooks";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import { parseOffset } from "@inthon/emitter/protocol";
import { FAT_SESSION } from "./fat-session.js";
import { percentile } from "./percentile.js";

/** What the class saw in a stretch of time. */
export interface Seen {
  readonly deliveries: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly lost: number;
  readonly doubled: number;
  /** Connections that were ended, or could not be made. */
  readonly dropped: number;
}

const SESSIONS = 10;
const EVENTS_PER_S = 40;
const FAT_EVENTS_PER_S = 20;
const FAT_BYTES = 8 * 1024;

const [, , url = "", redisUrl = "", count = "200"] = process.argv;
const CONNECTED = '["connected"';

let latencies: number[] = [];
let lost = 0;
let doubled = 0;
let dropped = 0;

/** A student who reads all, and answers all that it is asked. */
function join(index: number): Promise<void> {
  const isSocketIo = index % 2 === 0;
  const path = `/ws/session/good-${String(index % SESSIONS)}/student/`;
  const query = isSocketIo ? "?EIO=4&transport=websocket" : "?offset=";
  const socket = new WebSocket(`${url.replace("http", "ws")}${path}${query}`);
  let last: number | undefined;
  const hear = (offset: string, note: unknown) => {
    const n = parseOffset(offset)?.n ?? 0;
    if (last !== undefined && n <= last) doubled++;
    else if (last !== undefined) lost += n - last - 1;
    last = n;
    if (typeof note === "string") latencies.push(performance.now() - Number(note));
  };
  socket.on("error", () => undefined);
  socket.on("close", () => dropped++);
  return new Promise((resolve) => {
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      if (!isSocketIo) {
        const event = JSON.parse(text) as { event: string; offset: string; note?: string };
        if (event.event === "connected") resolve();
        hear(event.offset, event.note);
      } else if (text === "2") socket.send("3");
      else if (text.startsWith("0")) socket.send("40");
      else if (text.startsWith("42")) {
        const [, event, offset] = JSON.parse(text.slice(2)) as [string, { note?: string }, string];
        if (text.startsWith(`42${CONNECTED}`)) resolve();
        hear(offset, event.note);
      }
    });
  });
}

const emitter = await connect(redisUrl);
await Promise.all(Array.from({ length: Number(count) }, (_, index) => join(index)));

let turn = 0;
setInterval(() => {
  const note = String(performance.now());
  const session = `good-${String(turn++ % SESSIONS)}`;
  emitter.emit(session, "important", { note, capture_url: null }).catch(() => undefined);
}, 1_000 / EVENTS_PER_S);
const fat = "x".repeat(FAT_BYTES);
setInterval(() => {
  emitter.emit(FAT_SESSION, "important", { note: fat, capture_url: null }).catch(() => undefined);
}, 1_000 / FAT_EVENTS_PER_S);

process.on("message", () => {
  const sorted = latencies.sort((a, b) => a - b);
  const seen: Seen = {
    deliveries: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    maxMs: sorted.at(-1) ?? 0,
    lost,
    doubled,
    dropped,
  };
  latencies = [];
  lost = doubled = dropped = 0;
  process.send?.(seen);
});
process.send?.("joined");
