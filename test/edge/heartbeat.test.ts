import { randomUUID } from "node:crypto";
import { mock } from "node:test";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { Heartbeat, stopBeating, type Beating } from "../../server/dist/edge/wire/heartbeat.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { startServer } from "../helpers/processes/server-process.js";

const INTERVAL_MS = 64_000;
const MEMBERS = 640;
/** A client is gone after the next one; far above what a busy machine needs to answer. */
const PING_MS = 1_500;
const CROWD = 40;
const PINGS = 3;

/** A heartbeat whose timer the test moves, and who has been called upon. */
function startHeartbeat(t: Test) {
  mock.timers.enable({ apis: ["setInterval"] });
  const heartbeat = new Heartbeat(INTERVAL_MS, (error) => {
    throw error;
  });
  t.teardown(() => {
    heartbeat.close();
    mock.timers.reset();
  });
  const beaten: Beating[] = [];
  const add = () => {
    const member: Beating = {
      beat() {
        beaten.push(this);
      },
    };
    heartbeat.add(member);
    return member;
  };
  /** Who is called upon in this time. */
  const during = (ms: number) => {
    mock.timers.tick(ms);
    return beaten.splice(0);
  };
  return { heartbeat, add, during };
}

void t.test("those who come spread over an interval are called upon spread over it", (t) => {
  const { add, during } = startHeartbeat(t);
  for (let i = 0; i < MEMBERS; i++) {
    add();
    during(INTERVAL_MS / MEMBERS);
  }
  for (const interval of [1, 2]) {
    const steps = Array.from({ length: 64 }, () => during(INTERVAL_MS / 64));
    const most = Math.max(...steps.map(({ length }) => length));
    t.ok(most <= (MEMBERS / 64) * 2, `interval ${interval}: ${most} at once at most`);
    t.equal(new Set(steps.flat()).size, MEMBERS, "each of them");
    t.equal(steps.flat().length, MEMBERS, "once");
  }
  t.end();
});

void t.test("the first call comes one interval after a member has come", (t) => {
  const { add, during } = startHeartbeat(t);
  for (const wait of [0, 1_500, 40_000]) {
    during(wait);
    const member = add();
    t.notOk(during(INTERVAL_MS - 2_000).includes(member), "not before");
    t.ok(during(3_000).includes(member), "and not much later");
  }
  t.end();
});

void t.test("who has stopped, and all when it is closed, are called upon no more", (t) => {
  const { heartbeat, add, during } = startHeartbeat(t);
  const [stays, stops] = [add(), add()];
  t.strictSame(during(INTERVAL_MS), [stays, stops]);
  stopBeating(stops);
  stopBeating(stops);
  t.strictSame(during(INTERVAL_MS), [stays]);
  heartbeat.close();
  t.strictSame(during(INTERVAL_MS), []);
  t.end();
});

const KINDS = [
  { kind: "Socket.IO", query: "?EIO=4&transport=websocket" },
  { kind: "plain", query: "" },
];

/** A client of either kind, which answers pings or does not, and is in its room. */
async function enter(t: Test, url: string, query: string, { answers }: { answers: boolean }) {
  const target = `${url.replace("http", "ws")}/ws/session/${randomUUID()}/student/${query}`;
  const socket = new WebSocket(target, { autoPong: answers });
  t.teardown(() => {
    socket.terminate();
  });
  const pings = new Inbox<true>();
  const joined = new Inbox<true>();
  socket.on("ping", () => {
    pings.add(true);
  });
  socket.on("message", (data) => {
    const frame = (data as Buffer).toString();
    if (frame.startsWith("0{")) socket.send("40");
    if (frame.includes('"connected"')) joined.add(true);
    if (frame !== "2") return;
    pings.add(true);
    if (answers) socket.send("3");
  });
  const closed = new Inbox<true>();
  socket.on("close", () => {
    closed.add(true);
  });
  await joined.next();
  return { socket, pings, closed };
}

void t.test("who answers pings stays, and who does not is closed", async (t) => {
  const env = { PING_INTERVAL_MS: String(PING_MS), PING_TIMEOUT_MS: String(PING_MS) };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  await Promise.all(
    KINDS.map(async ({ kind, query }) => {
      const silent = await enter(t, server.url, query, { answers: false });
      const crowd = await Promise.all(
        Array.from({ length: CROWD }, () => enter(t, server.url, query, { answers: true })),
      );
      await silent.closed.next();
      t.equal(silent.pings.items.length, 1, `${kind}: it was asked, once`);
      await Promise.all(crowd.map(({ pings }) => pings.until(({ length }) => length >= PINGS)));
      const open = crowd.filter(({ socket }) => socket.readyState === WebSocket.OPEN);
      t.equal(open.length, CROWD, `${kind}: the others were asked ${PINGS} times, and are there`);
    }),
  );
});
