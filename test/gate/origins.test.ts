import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import t, { type Test } from "tap";
import { loadConfig } from "../../server/dist/config/config.js";
import { matchOrigins } from "../../server/dist/edge/gate/origins.js";
import { HANDSHAKES, rawGet } from "../helpers/clients/raw-http.js";
import { post } from "../helpers/processes/environments.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { sign, withSecret } from "./helpers/issuers.js";
import { refusalCodes } from "./helpers/refusal-log.js";

const RULES = [
  "https://school.example",
  "https://*.example.com",
  "https://*.ports.example:8443",
  "capacitor://localhost",
  "ionic://localhost",
  "app://-",
];
const ALLOWED = [
  "https://school.example",
  "https://a.example.com",
  "https://a.b-c.xn--example.example.com",
  "https://a.ports.example:8443",
  "capacitor://localhost",
  "ionic://localhost",
  "app://-",
];
const STRANGERS = [
  "null",
  "*",
  "https://example.com",
  "https://*.example.com",
  "https://.example.com",
  "https://a..example.com",
  "https://evilexample.com",
  "https://a.example.com.evil.org",
  "https://a.example.com.",
  "https://a.example.com:8443",
  "https://a.ports.example",
  "https://a.ports.example:443",
  "https://evil.org/.example.com",
  "https://evil.org#.example.com",
  "https://user@a.example.com",
  "http://a.example.com",
  "http://school.example",
  "https://school.example:8443",
  "https://school.example.evil.org",
  "https://SCHOOL.example",
  "HTTPS://school.example",
  "https://school.example.",
  "https://school.example/",
  "https://sub.school.example",
  "capacitor://localhost:1",
  "capacitor://evil",
  "http://localhost",
];

void t.test("a rule lets in what it names, and nothing that only looks like it", (t) => {
  const isAllowed = matchOrigins(RULES);
  for (const origin of ALLOWED) t.ok(isAllowed(origin), origin);
  for (const origin of STRANGERS) t.notOk(isAllowed(origin), origin);
  t.end();
});

void t.test("a rule that no origin fits stops the start", (t) => {
  const wrong = ["null", "*", "https://*", "https://*.", "https://a*.example", "*.example.com"];
  const written = ["https://Example.com", "https://example.com:443", "capacitor://localhost/"];
  for (const rule of [...wrong, ...written, "https://*.*.example", "https://a.*.example"]) {
    t.throws(() => loadConfig({ ALLOWED_ORIGINS: rule }), /^ALLOWED_ORIGINS /, rule);
  }
  t.strictSame(loadConfig({ ALLOWED_ORIGINS: RULES.join() }).allowedOrigins, RULES);
  t.end();
});

/** The statuses of all doors for a page: who is let in, is told what it has forgotten. */
async function statuses(server: ServerProcess, origin: string): Promise<Record<string, number>> {
  const path = `/ws/session/${randomUUID()}/student/`;
  const found: Record<string, number> = {};
  for (const [what, { query, headers }] of Object.entries(HANDSHAKES)) {
    const all = [...headers, `Origin: ${origin}`];
    found[what] = (await rawGet(server.url, `${path}${query}`, all)).status;
  }
  const polling = `${server.url}${path}?EIO=4&transport=polling&sid=nobody`;
  const page = { headers: { origin } };
  found["a POST of polling"] = (await fetch(polling, { ...page, method: "POST" })).status;
  found["the state"] = (await fetch(`${server.url}/sessions/a`, page)).status;
  found["the history"] = (await fetch(`${server.url}/sessions/a/events?role=student`, page)).status;
  found["publishing"] = (await publish(server, { origin })).status;
  return found;
}

const EVENT = { event: "hard_alert", capture_url: null };
const publish = (server: ServerProcess, headers: Record<string, string>) =>
  post(server.url, randomUUID(), EVENT, headers);

void t.test("ALLOWED_ORIGINS holds on all doors", async (t) => {
  const server = await startServer({ env: { ALLOWED_ORIGINS: RULES.join() } });
  t.teardown(() => server.stop());
  const open = {
    polling: 200,
    "WebSocket of Engine.IO": 101,
    "plain WebSocket": 101,
    "event stream": 200,
    "a POST of polling": 400,
    "the state": 200,
    "the history": 200,
    publishing: 202,
  };
  const closed = Object.fromEntries(Object.keys(open).map((door) => [door, 403]));
  for (const origin of [...ALLOWED, server.url]) {
    t.strictSame(await statuses(server, origin), open, origin);
  }
  for (const origin of ["null", "https://evilexample.com", "https://a.example.com.evil.org"]) {
    t.strictSame(await statuses(server, origin), closed, origin);
  }
  t.ok(refusalCodes(server).has("origin_not_allowed"), "and it is logged");
});

/** As `fetch`, which does not let anyone choose the `Host`. */
async function publishTo(server: ServerProcess, headers: Record<string, string>): Promise<number> {
  const sent = request(`${server.url}/sessions/${randomUUID()}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    agent: false,
  });
  sent.end(JSON.stringify(EVENT));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

void t.test("a name that its owner lets lead here is no page of this server", async (t) => {
  for (const env of [{ ALLOWED_ORIGINS: RULES.join() }, {}]) {
    const server = await startServer({ env });
    t.teardown(() => server.stop());
    // As a browser does it whose DNS has been told that evil.example is this machine.
    const rebound = { origin: "http://evil.example", host: "evil.example" };
    t.equal(await publishTo(server, rebound), 403);
    const own = `127.0.0.1:${String(server.port)}`;
    t.equal(await publishTo(server, { origin: `http://${own}`, host: own }), 202);
    t.equal(await publishTo(server, { origin: "http://localhost:1", host: "localhost:1" }), 202);
    t.equal(await publishTo(server, { origin: "http://localhost:1", host: "localhost:2" }), 403);
    t.equal(await publishTo(server, { host: "school.internal" }), 202, "a service is no page");
  }
});

void t.test("without keys no page of another origin publishes", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  for (const origin of ["https://evil.example", "http://localhost:1", "null"]) {
    t.equal((await publish(server, { origin })).status, 403, origin);
  }
  for (const site of ["cross-site", "same-site"]) {
    t.equal((await publish(server, { "sec-fetch-site": site })).status, 403, site);
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    t.equal((await publish(server, { "content-type": type })).status, 415, type);
  }
  t.equal((await publish(server, {})).status, 202);
  t.equal((await publish(server, { origin: server.url })).status, 202);
});

void t.test("with keys a page that has one publishes", async (t) => {
  const server = await startServer({ env: { PUBLISH_KEYS: "a-key-of-a-service" } });
  t.teardown(() => server.stop());
  const origin = "https://teacher.example";
  t.equal(
    (await publish(server, { origin, authorization: "Bearer a-key-of-a-service" })).status,
    202,
  );
  t.equal((await publish(server, { origin })).status, 401);
});

void t.test("and so does one that has a publisher's token, but not without it", async (t) => {
  const { signing, env } = await withSecret();
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const origin = "https://teacher.example";
  const authorization = `Bearer ${await sign(signing, { session_id: "*", role: "publisher" })}`;
  t.equal((await publish(server, { origin, authorization })).status, 202);
  t.equal((await publish(server, { origin })).status, 401);
});

void t.test("credentials are for named origins alone", async (t) => {
  const asked = async (env: Record<string, string>, origin: string) => {
    const server = await startServer({ env });
    t.teardown(() => server.stop());
    const { headers } = await fetch(`${server.url}/sessions/a`, { headers: { origin } });
    return [
      headers.get("access-control-allow-origin"),
      headers.get("access-control-allow-credentials"),
    ];
  };
  const rules = { ALLOWED_ORIGINS: RULES.join() };
  t.strictSame(await asked({}, "https://any.example"), ["*", null]);
  const named = "https://a.example.com";
  t.strictSame(await asked(rules, named), [named, "true"]);
  t.strictSame(await asked(rules, "https://any.example"), [null, null]);
});

void t.test("JSONP is refused", async (t: Test) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  const polling = `${server.url}/ws/session/${randomUUID()}/student/?EIO=4&transport=polling`;
  for (const query of ["&j=0", "&j=", "&%6a=0"]) {
    const response = await fetch(`${polling}${query}`);
    t.equal(response.status, 400, query);
    t.match(response.headers.get("content-type"), "application/problem+json");
  }
});
