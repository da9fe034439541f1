/**
 * What the protocols' own suites ask of a server (engine.io-protocol, revision 4; socket.io-protocol, version 5), of this
 * one: as far as they are not about their application, which echoes. Where the contract decides otherwise, the test says
 * "instead", and the README has a table.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { Inbox } from "../helpers/clients/inbox.js";
import { eventually } from "../helpers/eventually.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";

const PING_INTERVAL_MS = 500;
const PING_TIMEOUT_MS = 2_000;
const MAX_PAYLOAD = 4_096;
const SEPARATOR = "\u001e";
const PONG = '42["pong",{"event":"pong"}]';

/** Where nobody is asked for a sign of life while a test looks at something else. */
const { url: calm } = await startInProcess(t);
const { url: beating } = await startInProcess(t, {
  PING_INTERVAL_MS: String(PING_INTERVAL_MS),
  PING_TIMEOUT_MS: String(PING_TIMEOUT_MS),
});

interface Open {
  readonly sid: string;
  readonly upgrades: readonly string[];
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly maxPayload: number;
}

function address(query: string, url = calm): string {
  return `${url}/ws/session/${session}/student/?${query}`;
}

const session = randomUUID();
const POLLING = "EIO=4&transport=polling";
const WEBSOCKET = "EIO=4&transport=websocket";

/** A session of long polling, by hand. */
async function openPolling(url = calm) {
  const opened = await fetch(address(POLLING, url));
  const { sid } = JSON.parse((await opened.text()).slice(1)) as Open;
  const at = address(`${POLLING}&sid=${encodeURIComponent(sid)}`, url);
  return {
    sid,
    at,
    post: async (body: string) => {
      const answer = await fetch(at, { method: "POST", body });
      return [answer.status, await answer.text()] as const;
    },
    poll: async () => {
      const answer = await fetch(at);
      return [answer.status, await answer.text()] as const;
    },
  };
}

/** One that has joined: what it was told up to `connected` has been polled. */
async function joinByPolling(url = calm) {
  const polling = await openPolling(url);
  await polling.post("40");
  for (let told = ""; !told.includes("connected"); [, told] = await polling.poll());
  return polling;
}

/** A WebSocket, by hand: with the packets that come, pings among them. */
function openWebSocket(t: Test, { query = WEBSOCKET, url = calm } = {}) {
  const socket = new WebSocket(address(query, url).replace("http", "ws"));
  t.teardown(() => {
    socket.terminate();
  });
  socket.on("error", () => undefined);
  const packets = new Inbox<string>();
  socket.on("message", (data) => {
    packets.add((data as Buffer).toString());
  });
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  return { socket, packets, closed };
}

async function joinByWebSocket(t: Test, { auth = "", url = calm } = {}) {
  const client = openWebSocket(t, { url });
  await client.packets.next();
  client.socket.send(`40${auth}`);
  await client.packets.next((packet) => packet.startsWith('42["connected"'));
  return client;
}

/** Resolves once a ping is answered: what was sent before has been heard, and the connection is open. */
async function answersPing({ socket, packets }: ReturnType<typeof openWebSocket>): Promise<void> {
  const from = packets.items.length;
  socket.send('42["ping"]');
  await packets.next((packet) => packet === PONG, from);
}

void t.test("Engine.IO, handshake", async (t) => {
  const shape = { pingInterval: PING_INTERVAL_MS, pingTimeout: PING_TIMEOUT_MS };
  const keys = ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"];

  const byPolling = await fetch(address(POLLING, beating));
  t.equal(byPolling.status, 200);
  const [type, ...json] = await byPolling.text();
  t.equal(type, "0");
  const opened = JSON.parse(json.join("")) as Open;
  t.strictSame(Object.keys(opened).sort(), keys);
  t.match(opened, { ...shape, upgrades: ["websocket"], maxPayload: MAX_PAYLOAD, sid: String });

  const { packets } = openWebSocket(t, { url: beating });
  const packet = await packets.next();
  t.match(packet, /^0/);
  const byWebSocket = JSON.parse(packet.slice(1)) as Open;
  t.strictSame(Object.keys(byWebSocket).sort(), keys);
  t.match(byWebSocket, { ...shape, maxPayload: MAX_PAYLOAD, sid: String });
  t.strictSame(byWebSocket.upgrades, []);

  const status = async (path: string, method = "GET") => (await fetch(path, { method })).status;
  t.equal(await status(`${calm}/socket.io/?transport=polling`), 400, "no revision, by its path");
  t.equal(await status(address("transport=polling")), 426, "instead: without EIO it is no client");
  t.equal(await status(address("EIO=abc&transport=polling")), 400, "a revision that there is not");
  t.equal(await status(address("EIO=4")), 400, "no transport");
  t.equal(await status(address("EIO=4&transport=abc")), 400, "a transport that there is not");
  t.equal(await status(address(POLLING), "POST"), 400, "by POST");
  t.equal(await status(address(POLLING), "PUT"), 400, "by PUT");
  for (const query of ["EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]) {
    const { socket, closed } = openWebSocket(t, { query });
    const refused = once(socket, "unexpected-response") as Promise<
      [unknown, { statusCode: number }]
    >;
    t.equal((await refused)[1].statusCode, 400, query);
    socket.terminate();
    await closed;
  }
  const withoutEngine = openWebSocket(t, { query: "transport=websocket" });
  t.match(
    await withoutEngine.packets.next(),
    /^{"event":"connected"/,
    "instead: a plain WebSocket",
  );
});

void t.test("Engine.IO, messages", async (t) => {
  const polling = await joinByPolling();
  t.strictSame(await polling.post('42["ping"]'), [200, "ok"]);
  t.strictSame(await polling.poll(), [200, PONG], "one packet");
  const several = ['42["ping"]', '421["ping"]', '42["ping"]'].join(SEPARATOR);
  t.strictSame(await polling.post(several), [200, "ok"]);
  const [, answers] = await polling.poll();
  const acknowledged = '431[{"event":"pong"}]';
  t.strictSame(answers.split(SEPARATOR).sort(), [PONG, PONG, PONG, acknowledged].sort());
  t.strictSame(await polling.post(['42["ping"]', "bAQIDBA=="].join(SEPARATOR)), [200, "ok"]);
  t.strictSame(await polling.poll(), [200, PONG], "instead: what is binary is ignored");
  t.strictSame(await polling.post("abc"), [200, "ok"], "instead: so is what is no packet");
  await polling.post('42["ping"]');
  t.strictSame(await polling.poll(), [200, PONG], "and the session goes on");

  const polls = [polling.poll(), polling.poll()];
  const [one, other] = await Promise.all(polls);
  t.strictSame(
    [one, other].map((answer) => answer?.[0]).sort(),
    [200, 400],
    "of two polls at once",
  );
  t.equal([one, other].find((answer) => answer?.[0] === 200)?.[1], "1", "one hears of the end");
  t.equal((await polling.poll())[0], 400);

  const client = await joinByWebSocket(t);
  await answersPing(client);
  client.socket.send(Buffer.from([1, 2, 3, 4]));
  client.socket.send("abc");
  await answersPing(client);
  t.equal(client.socket.readyState, WebSocket.OPEN, "instead: what is no packet closes nothing");
});

void t.test("Engine.IO, heartbeat", async (t) => {
  const polling = await joinByPolling(beating);
  for (let beat = 0; beat < 3; beat++) {
    t.strictSame(await polling.poll(), [200, "2"]);
    t.strictSame(await polling.post("3"), [200, "ok"]);
  }
  t.strictSame(await polling.poll(), [200, "2"]);
  // Not by a post: that is an answer.
  await eventually(async () => (await polling.poll())[0] === 400);
  t.pass("who does not answer in time is gone");

  const client = await joinByWebSocket(t, { url: beating });
  for (let beat = 0; beat < 3; beat++) {
    await client.packets.next((packet) => packet === "2", client.packets.items.length);
    client.socket.send("3");
  }
  t.equal(await client.closed, 1005, "who does not answer in time is closed");
});

void t.test("Engine.IO, close", async (t) => {
  const polling = await joinByPolling();
  const [poll, close] = await Promise.all([polling.poll(), polling.post("1")]);
  t.strictSame(poll, [200, "6"], "a poll that is under way ends with nothing");
  t.equal(close[0], 200);
  t.equal((await polling.poll())[0], 400);

  const { socket, packets, closed } = openWebSocket(t);
  await packets.next();
  socket.send("1");
  t.equal(await closed, 1005);
});

void t.test("Engine.IO, upgrade", async (t) => {
  const polling = await joinByPolling();
  const query = `EIO=4&transport=websocket&sid=${encodeURIComponent(polling.sid)}`;
  const { socket, packets } = openWebSocket(t, { query });
  await once(socket, "open");
  socket.send("2probe");
  t.equal(await packets.next(), "3probe");
  t.strictSame(await polling.poll(), [200, "6"], "a poll ends with nothing");
  socket.send("5");
  socket.send('42["ping"]');
  await packets.next((packet) => packet === PONG);

  t.equal((await polling.poll())[0], 400, "by requests there is no session any more");
  const another = openWebSocket(t, { query });
  const refused = once(another.socket, "unexpected-response") as Promise<
    [unknown, { statusCode: number }]
  >;
  t.equal((await refused)[1].statusCode, 400, "nor by another WebSocket");
  another.socket.terminate();
  await answersPing({ socket, packets, closed: another.closed });
});

void t.test("Socket.IO, connect", async (t) => {
  for (const auth of ["", '{"token":"123"}']) {
    const { packets } = await joinByWebSocket(t, { auth });
    const [, connect = "", connected] = packets.items.filter((packet) => packet !== "2");
    t.match(connect, /^40/);
    t.match(JSON.parse(connect.slice(2)), { sid: String, pid: String }, "and what it resumes by");
    t.match(connected, /^42\["connected",/, "instead of the suite's own event");
  }

  const { socket, packets } = openWebSocket(t);
  await packets.next();
  socket.send("40/random");
  const refused = await packets.next((packet) => packet.startsWith("44"));
  t.equal(refused, '44/random,{"message":"Invalid namespace"}');
  socket.send("4abc");
  socket.send("40");
  await packets.next((packet) => packet.startsWith('42["connected"'));
  t.pass("instead: what is no packet is ignored, also before it joins");
});

void t.test("Socket.IO, a client that does not join in time is closed", async (t) => {
  const app = await startInProcess(t, { CONNECT_TIMEOUT_MS: "200" });
  const path = `/ws/session/${session}/student/?EIO=4&transport=websocket`;
  const socket = new WebSocket(app.url.replace("http", "ws") + path);
  await once(socket, "close");
  t.pass();
});

void t.test("Socket.IO, disconnect", async (t) => {
  const client = await joinByWebSocket(t);
  client.socket.send("41");
  t.equal(await client.closed, 1005, "instead of a connection that is of no use any more");
});

void t.test("Socket.IO, events", async (t) => {
  const client = await joinByWebSocket(t);
  client.socket.send('42["ping",1,"2",{"3":[true]}]');
  await client.packets.next((packet) => packet === PONG);
  client.socket.send('42456["ping"]');
  await client.packets.next((packet) => packet === '43456[{"event":"pong"}]');
  const junk = [
    '452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    Buffer.from([1, 2, 3]),
    Buffer.from([4, 5, 6]),
    "4abc",
    "42{}",
    '42abc["ping",1]',
  ];
  for (const packet of junk) client.socket.send(packet);
  await answersPing(client);
  t.equal(
    client.socket.readyState,
    WebSocket.OPEN,
    "instead: all else is ignored, and closes nothing",
  );
});
