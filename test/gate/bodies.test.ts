import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { isEvent, MAX_EVENT_BYTES, parseEvent } from "@inthon/emitter/validate";
import { RawBytes, requestHead } from "../helpers/clients/raw-bytes.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { eventually } from "../helpers/eventually.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";
import { startServer } from "../helpers/processes/server-process.js";

const KEY = "a-key-of-a-service";
const EVENTS = `/sessions/${randomUUID()}/events`;
const POLLING = `/ws/session/${randomUUID()}/student/?EIO=4&transport=polling`;
const JSON_BODY = ["Content-Type: application/json"];
const AUTHORIZED = [`Authorization: Bearer ${KEY}`, ...JSON_BODY];
const EVENT = '{"event":"important","note":"[[[[[[[[[[[[{{{{{{,,,,","capture_url":null}';
const REFUSED_METHOD = /^HTTP\/1.1 405 .*"code":"method_not_allowed"/s;
const CONTINUE = "HTTP/1.1 100 Continue";

void t.test("a body that nothing is done with is not waited for", async (t) => {
  const server = await startServer({ env: { AUTH: "off" } });
  t.teardown(() => server.stop());
  const unread: readonly (readonly [method: string, path: string, answer: RegExp])[] = [
    ["POST", "/nowhere", /^HTTP\/1.1 404 .*"code":"not_found"/s],
    ["POST", "/", REFUSED_METHOD],
    ["POST", "/healthz", REFUSED_METHOD],
    ["PUT", EVENTS, REFUSED_METHOD],
    ["POST", "/socket.io/socket.io.js", REFUSED_METHOD],
    ["DELETE", "/sessions/a", REFUSED_METHOD],
  ];
  for (const [method, path, answer] of unread) {
    const client = await RawBytes.open(server.url);
    client.send(requestHead(method, path, [...JSON_BODY, "Content-Length: 1000000"]), "[");
    await client.ended();
    t.match(client.received, answer, `${method} ${path}`);
  }
});

void t.test("who asks before it sends a body is told to where one is read", async (t) => {
  const server = await startServer({ env: { PUBLISH_KEYS: KEY } });
  t.teardown(() => server.stop());
  const asking = ["Expect: 100-continue", `Content-Length: ${String(EVENT.length)}`];
  const refused: Readonly<Record<string, string>> = {
    401: requestHead("POST", EVENTS, [...JSON_BODY, ...asking]),
    404: requestHead("POST", "/nowhere", [...JSON_BODY, ...asking]),
    415: requestHead("POST", EVENTS, [AUTHORIZED[0] ?? "", "Content-Type: text/plain", ...asking]),
    400: requestHead("POST", `${POLLING}&sid=x`, asking),
  };
  for (const [status, head] of Object.entries(refused)) {
    const client = await RawBytes.open(server.url);
    client.send(head);
    await client.ended();
    t.match(client.received, new RegExp(`^HTTP/1.1 ${status}`), status);
    t.notMatch(client.received, CONTINUE);
  }
  const client = await RawBytes.open(server.url);
  t.teardown(() => client.socket.destroy());
  client.send(requestHead("POST", EVENTS, [...AUTHORIZED, ...asking]));
  await client.until(CONTINUE);
  client.send(EVENT);
  t.match(await client.until('"duplicate":false'), "HTTP/1.1 202");
});

void t.test("all bodies together have a limit, which keeps out the slowest", async (t) => {
  const env = { AUTH: "off", MAX_BODIES_BYTES: String(2 * 1024 * 1024) };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const slow: RawBytes[] = [];
  for (let i = 0; i < 4; i++) {
    const client = await RawBytes.open(server.url);
    t.teardown(() => client.socket.destroy());
    client.send(requestHead("POST", EVENTS, [...JSON_BODY, "Content-Length: 1000000"]));
    client.send(" ".repeat(900_000));
    slow.push(client);
  }
  const [first, second] = slow;
  await Promise.all([first?.ended(), second?.ended()]);
  t.match(first?.received, /^HTTP\/1.1 503 .*retry-after: 1.*"code":"overloaded"/s);
  t.match(second?.received, "HTTP/1.1 503");
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  await emitter.emit("a", "important", { note: "x".repeat(60_000), capture_url: null });
  t.equal(slow[3]?.received, "", "and who came later goes on");
});

void t.test("single bytes are counted for what they take, by whatever they come", async (t) => {
  const env = { AUTH: "off", MAX_BODIES_BYTES: String(2 * 1024 * 1024) };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const polling = await openPolling(server.url, POLLING.slice(0, POLLING.indexOf("?")));
  const ways = {
    http: requestHead("POST", EVENTS, [...JSON_BODY, "Transfer-Encoding: chunked"]),
    polling: polling.head("POST", ["Transfer-Encoding: chunked"]),
  };
  for (const [protocol, head] of Object.entries(ways)) {
    const client = await RawBytes.open(server.url, { allowHalfOpen: true });
    t.teardown(() => client.socket.destroy());
    client.send(head, "1\r\n \r\n".repeat(20_000));
    await client.until("HTTP/1.1 503");
    // Nobody answers once more.
    client.send("0\r\n\r\n");
    await client.ended();
    t.match(client.received, /^HTTP\/1.1 503 .*retry-after: 1.*"code":"overloaded"/s, protocol);
    t.equal(client.received.split("HTTP/1.1").length, 2, "once");
    const line = new RegExp(`"protocol":"${protocol}".*"code":"overloaded"`);
    await eventually(() => Promise.resolve(line.test(server.output())));
  }
  t.equal(await polling.statusOfPoll(), 400, "a connection whose packets are lost has ended");
});

void t.test("what parses slowly is not parsed, whatever stands in its texts", async (t) => {
  const server = await startServer({ env: { AUTH: "off" } });
  t.teardown(() => server.stop());
  const post = async (body: string) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${server.url}${EVENTS}`, { method: "POST", headers, body });
    const { errors } = (await answer.json()) as { errors?: readonly { path: string }[] };
    return [answer.status, errors?.[0]?.path];
  };
  t.strictSame(await post(EVENT), [202, undefined]);
  t.strictSame(await post(`[${EVENT},${"[".repeat(500_000)}`), [400, "/1"]);
  t.strictSame(await post(`[${EVENT},{"a":[${"0,".repeat(200_000)}0]}]`), [400, "/1"]);
  t.strictSame(await post(`{"a":${"[".repeat(500_000)}`), [400, ""]);
});

void t.test("of what parses slowly the rest is not waited for, however it is cut", async (t) => {
  const server = await startServer({ env: { AUTH: "off" } });
  t.teardown(() => server.stop());
  // A quotation mark behind a backslash, each in a piece of its own, is none.
  const pieces = [`[{"event":"a","b":"`, "\\", '"', '[[{{,,"},', "[".repeat(50)];
  const client = await RawBytes.open(server.url);
  client.send(
    requestHead("POST", EVENTS, [...JSON_BODY, "Transfer-Encoding: chunked"]),
    ...pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`),
  );
  await client.ended();
  t.match(client.received, /^HTTP\/1.1 400 .*"path":"\/1"/s);
});

/** How much longer the slower of two takes, in CPU: the least of some tries, as others are at work beside it. */
async function ratio(slower: () => unknown, than: () => unknown, tries = 5): Promise<number> {
  const least = async (work: () => unknown) => {
    let micros = Infinity;
    for (let i = 0; i < tries; i++) {
      const before = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(before);
      micros = Math.min(micros, user + system);
    }
    return Math.max(micros, 1);
  };
  return (await least(slower)) / (await least(than));
}

void t.test("no address takes longer to check than its length says", async (t) => {
  const fill = (begin: string, text: string, length: number) =>
    begin + text.repeat(Math.floor((length - begin.length) / text.length));
  const HOSTS = ["http://xn--|z", "http://|@", "http://|ü", "//|\ufdfa", "http:|א", "\\\\|a@"];
  const PATHS = ["/|../", "/|a/", "/|%2e%2e/", "?|ü", "http://a/|\ufdfa", "http:|/", "|a.", "a|:"];
  for (const [begin = "", text = ""] of [...HOSTS, ...PATHS].map((row) => row.split("|"))) {
    // Of what a body has room for: as one, as the longest events, and as short ones.
    for (const [length, times] of [
      [1_000_000, 1],
      [60_000, 16],
      [240, 1_000],
      [70, 1_000],
    ] as const) {
      const check = (capture_url: string) => () => {
        const event = { event: "hard_alert", capture_url };
        for (let i = 0; i < times; i++) isEvent({ ...event, created_at: "2025-11-15T12:34Z" });
      };
      const than = await ratio(check(fill(begin, text, length)), check(fill("/", "é", length)));
      t.ok(than < 15, `${begin}${text} of ${String(length)}: ${than.toFixed(1)}`);
    }
  }
  const long = { event: "hard_alert", capture_url: fill("/", "a", MAX_EVENT_BYTES + 1) };
  t.throws(() => parseEvent(long), { code: "event_too_large" });
  const ofHost = (host: string) => ({ event: "hard_alert", capture_url: `https://${host}/` });
  t.ok(parseEvent(ofHost(`user:word@${"a.".repeat(126)}a:65535`)));
  t.throws(() => parseEvent(ofHost("a.".repeat(140))), { code: "invalid_event" });
});

void t.test("no header takes longer to read than its length says", async (t) => {
  // In this process, whose CPU is counted.
  const { url } = await startInProcess(t, { AUTH: "off", ALLOWED_ORIGINS: "https://*.a.test" });
  const polling = await openPolling(url, POLLING.slice(0, POLLING.indexOf("?")));
  t.teardown(() => polling.raw.socket.destroy());
  const body = "Content-Length: 1";
  const heads = {
    "Content-Encoding": [
      (header: string) => polling.head("POST", [header, body]) + "3",
      (header: string) => requestHead("POST", EVENTS, [header, body, ...JSON_BODY]) + "3",
    ],
    "Content-Type": [(header: string) => requestHead("POST", EVENTS, [header, body]) + "3"],
    Accept: [(header: string) => requestHead("GET", "/ws/session/a/student/", [header])],
    Authorization: [(header: string) => requestHead("GET", "/sessions/a", [header])],
    Origin: [(header: string) => requestHead("GET", "/sessions/a", [header])],
    Upgrade: [
      (header: string) => requestHead("GET", "/sessions/a", [header, "Connection: Upgrade"]),
    ],
  };
  const begins: Readonly<Record<string, string>> = {
    "Content-Type": "application/json;charset",
    Accept: ",text/event-stream;q=0",
    Authorization: "Bearer",
    Origin: "https://",
  };
  for (const [name, makes] of Object.entries(heads)) {
    for (const make of makes) {
      const ask = (text: string) => async () => {
        const client = await RawBytes.open(url);
        client.send(Buffer.from(make(`${name}: ${begins[name] ?? ""}${text}x`), "latin1"));
        await client.until("HTTP/1.1 ");
        client.socket.destroy();
      };
      for (const text of ["\u00a0", ", ", "; ", "a.", "0"]) {
        const length = 15_000 / text.length;
        const than = await ratio(ask(text.repeat(length)), ask("a".repeat(15_000)), 3);
        t.ok(than < 10, `${name}: ${JSON.stringify(text)}: ${than.toFixed(1)}`);
      }
    }
  }
});
