/** A process of its own: students of one session. What it is told to do, and what it tells, is in `crowd.ts`. */
import type { GroupReport, GroupRequest } from "./crowd.js";
import { Reader, type ReaderKind } from "./reader.js";

const [, , url = "", session = "", count = "0", polling = "0", offset = "", last = "0"] =
  process.argv;
const KINDS: readonly ReaderKind[] = ["websocket", "plain"];
/** The number of the event with which all is told. */
let lastNumber = Number(last);
let startedAt = 0;
let allToldAt = 0;
let connected = 0;
let complete = 0;

const readers = Array.from(
  { length: Number(count) },
  (_, index) =>
    new Reader(
      {
        url,
        session,
        kind: index < Number(polling) ? "polling" : (KINDS[index % 2] ?? "plain"),
        offset: offset === "" ? undefined : offset,
      },
      onHeard,
    ),
);

const seen = new WeakSet<Reader>();

function onHeard(reader: Reader): void {
  if (!seen.has(reader)) {
    seen.add(reader);
    if (++connected === readers.length) process.send?.("connected");
  }
  if (lastNumber > 0 && reader.n === lastNumber && ++complete === readers.length) {
    allToldAt = performance.now();
    process.send?.("complete");
  }
}

function report(): GroupReport {
  const most = (of: (reader: Reader) => number) => Math.max(...readers.map(of));
  return {
    faults: readers.reduce((sum, { faults }) => sum + faults, 0),
    dropped: readers.map(({ drops }) => drops),
    behind: readers.filter(({ n }) => n < lastNumber).length,
    connectedMs: Math.round(most(({ connectedAt }) => connectedAt) - startedAt),
    longestWaitMs: Math.round(most(({ longestWaitMs }) => longestWaitMs)),
    allMs: Math.round(allToldAt - startedAt),
  };
}

process.on("message", (request: GroupRequest) => {
  switch (request.kind) {
    case "start":
      startedAt = performance.now();
      for (const reader of readers) reader.start();
      break;
    case "sleep":
      readers.slice(0, request.count).forEach((reader, index) => {
        reader.sleep(index % 4 < 2);
      });
      break;
    case "wake":
      for (const reader of readers.slice(0, request.count)) reader.wake();
      break;
    case "last":
      lastNumber = request.n;
      complete = readers.filter(({ n }) => n === lastNumber).length;
      if (complete === readers.length) process.send?.("complete");
      break;
    case "report":
      process.send?.(report());
      break;
  }
});
process.send?.("ready");
