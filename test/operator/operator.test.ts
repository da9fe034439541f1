import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { io } from "socket.io-client";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { sign, withSecret } from "../gate/helpers/issuers.js";
import { EventStream } from "../helpers/clients/event-stream.js";
import { startDeployment, type Deployment } from "../helpers/deployments/deployment.js";
import { eventually } from "../helpers/eventually.js";
import { startCluster, type Cluster } from "../helpers/processes/cluster.js";
import { startServer } from "../helpers/processes/server-process.js";
import { lineOf, tell, Viewer, type Overview } from "./helpers/viewer.js";

const KEY = "the-key-of-an-operator";
const issuer = await withSecret();
const token = (claims: Readonly<Record<string, unknown>>) => sign(issuer.signing, claims);
const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
const NOTE = { event: "important", note: "n", capture_url: null };

let redis: Deployment;
let cluster: Cluster;
t.before(async () => {
  // The README's users: whatever they may not do is in the log of the ACL.
  redis = await startDeployment({ isSecured: true });
  t.teardown(() => redis.stop());
  cluster = await startCluster({
    replicas: 3,
    env: { ...redis.env, ...issuer.env, PUBLISH_KEYS: KEY, LEASE_MS: "2000", DRAIN_DELAY_MS: "0" },
    redis: { url: redis.env["REDIS_URL"] ?? "" },
  });
  t.teardown(() => cluster.stop());
});

async function view(t: Test, replica: number, session?: string): Promise<Viewer> {
  const viewer = await Viewer.open(cluster.replica(replica).url, KEY, session);
  t.teardown(() => viewer.close());
  return viewer;
}

interface Member {
  readonly session: string;
  readonly role: "teacher" | "student";
  readonly user: string;
  readonly kind: "websocket" | "polling" | "plain" | "event-stream";
}

/** Comes into a session at a replica, with a token. */
async function enter(t: Test, replica: number, { session, role, user, kind }: Member) {
  const { url } = cluster.replica(replica);
  const path = `/ws/session/${session}/${role}/`;
  const text = await token({ session_id: session, role, sub: user });
  if (kind === "plain") {
    const socket = new WebSocket(`${url.replace("http", "ws")}${path}`, { headers: bearer(text) });
    socket.on("error", () => undefined);
    t.teardown(() => {
      socket.terminate();
    });
    await once(socket, "message");
  } else if (kind === "event-stream") {
    const stream = await EventStream.open(url, path, { headers: bearer(text) });
    t.teardown(() => {
      stream.close();
    });
    await stream.events.next();
  } else {
    const socket = io(url, { path, transports: [kind], auth: { token: text }, forceNew: true });
    t.teardown(() => {
      socket.close();
    });
    await once(socket as never, "connected");
  }
}

function publish(session: string, event: object = NOTE): Promise<Response> {
  return fetch(`${cluster.replica(1).url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer(KEY) },
    body: JSON.stringify(event),
  });
}

t.test(
  "a publish key sees the cluster, and so does an operator's token, and nobody else",
  async (t) => {
    const { url } = cluster.replica(0);
    const session = randomUUID();
    const of = (role: string, session_id: string) => token({ role, session_id });
    const rows: readonly [what: string, key: string | undefined, status: number][] = [
      ["nobody", undefined, 401],
      ["another key", "no-key-of-this-server", 401],
      ["the key", KEY, 200],
      ["an operator", await of("operator", "*"), 200],
      ["one session's operator", await of("operator", session), 403],
      ["a publisher for all", await of("publisher", "*"), 403],
      ["a teacher for all", await of("teacher", "*"), 403],
      ["who was an operator", await token({ role: "operator", session_id: "*", exp: 1 }), 401],
    ];
    for (const [what, key, status] of rows) {
      for (const path of ["/operator/stream", "/operator/connections?user=nobody"]) {
        const leaving = new AbortController();
        const response = await fetch(`${url}${path}`, {
          headers: key === undefined ? {} : bearer(key),
          signal: leaving.signal,
        });
        t.equal(response.status, status, `${what}: ${path}`);
        leaving.abort();
      }
    }
    const operator = bearer(await of("operator", "*"));
    const at = (path: string, init: RequestInit = {}) =>
      fetch(`${url}/sessions/${session}${path}`, {
        ...init,
        headers: { ...operator, "content-type": "application/json" },
      }).then(({ status }) => status);
    t.equal(await at(""), 200, "an operator reads who is there");
    t.equal(await at("/events?role=teacher"), 200, "and what was told");
    const body = JSON.stringify(NOTE);
    t.equal(await at("/events", { method: "POST", body }), 403, "and publishes nothing");
    const path = `${url}/ws/session/${session}/student/`;
    const headers = { ...operator, accept: "text/event-stream" };
    t.equal((await fetch(path, { headers })).status, 403, "and is in no session");
    t.equal(
      (await fetch(`${url}/operator`)).status,
      200,
      "the page holds nothing: it is for anyone",
    );
  },
);

t.test("in production, where nobody needs a key or a token, there is nothing to see", async (t) => {
  const open = { NODE_ENV: "production", AUTH: "off" };
  const server = await startServer({ env: open });
  t.teardown(() => server.stop());
  for (const path of ["/operator", "/operator/stream", "/operator/connections?id=x"]) {
    t.equal((await fetch(`${server.url}${path}`)).status, 404, path);
  }
});

t.test("one process in memory is a cluster of its own", async (t) => {
  const server = await startServer({ env: { NODE_ID: "alone" } });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const socket = new WebSocket(
    `${server.url.replace("http", "ws")}/ws/session/${session}/student/`,
  );
  t.teardown(() => {
    socket.terminate();
  });
  await once(socket, "message");
  const viewer = await Viewer.open(server.url, "", session);
  t.teardown(() => viewer.close());
  const shown = await viewer.overviews.next();
  t.match(lineOf(shown, "alone"), { state: "ready", students: 1 });
  t.match(shown.busiest, [{ session, students: 1 }]);
  t.match(await viewer.session.next(), { connections: { student: 1 } });
  const of = (origin: string) =>
    fetch(`${server.url}/operator/connections?user=nobody`, { headers: { origin } });
  // As a browser does it for the page of a name that its owner lets lead here: it names no origin to its own server.
  const byName = async (host: string): Promise<number | undefined> => {
    const sent = request(`${server.url}/operator/connections?user=nobody`, { headers: { host } });
    sent.end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    return response.statusCode;
  };
  t.equal(await byName("evil.example"), 403, "a name proves nothing");
  t.equal(await byName(`localhost:${String(server.port)}`), 200);
  t.match(await (await of(server.url)).json(), { connections: [], silent: 0 });
  t.equal(
    (await of("https://other.example")).status,
    403,
    "no other page looks where no key is asked for",
  );
});

t.test("figures are those of the whole cluster, and of each replica", async (t) => {
  const session = randomUUID();
  const other = randomUUID();
  const viewer = await view(t, 0);
  const student = { session, role: "student", user: "sam" } as const;
  await enter(t, 0, { ...student, kind: "websocket" });
  await enter(t, 1, { ...student, kind: "plain" });
  await enter(t, 1, { ...student, kind: "polling" });
  await enter(t, 2, { ...student, kind: "event-stream" });
  await enter(t, 2, { session, role: "teacher", user: "tess", kind: "plain" });
  await enter(t, 2, { session: other, role: "student", user: "olga", kind: "plain" });
  const before = await viewer.shows(({ total }) => total.replicas === 3 && total.connections === 6);
  t.match(before.total, { teachers: 1, students: 5 });
  t.same(lineOf(before, "replica-1").connections, {
    websocket: 1,
    polling: 0,
    plain: 0,
    "event-stream": 0,
  });
  t.match(lineOf(before, "replica-2"), { connections: { polling: 1, plain: 1 }, students: 2 });
  t.match(lineOf(before, "replica-3"), { teachers: 1, students: 2, sessions: 2, state: "ready" });
  const [first, second] = before.busiest;
  t.match(first, { session, students: 4, teachers: 1, teacher_online: true, at_least: false });
  t.same(first?.replicas, ["replica-1", "replica-2", "replica-3"]);
  t.match(second, { session: other, students: 1, replicas: ["replica-3"] });

  const { events = 0 } = first ?? {};
  for (let i = 0; i < 10; i++) await publish(session);
  const sum = events + 10;
  const isTold =
    ({ node }: { readonly node: string }) =>
    (shown: Overview) =>
      lineOf(shown, node).lag.samples > lineOf(before, node).lag.samples;
  const after = await viewer.shows(
    (shown) =>
      shown.busiest.some((row) => row.session === session && row.events === sum) &&
      before.replicas.every((line) => isTold(line)(shown)),
  );
  const samples = after.lag.samples - before.lag.samples;
  // Events that come in one turn are written together.
  t.ok(3 <= samples && samples <= 30, `${samples} samples of ten events, told by three replicas`);
  const { p50_ms: p50, p99_ms: p99 } = after.lag;
  t.ok(p50 !== null && p99 !== null && 0 < p50 && p50 <= p99 && p99 < 10_000, "as quick as that");
  t.ok(after.total.told_per_s > 0);
});

t.test(
  "a session is shown as it is: who is in it, its newest events, and what comes",
  async (t) => {
    const session = randomUUID();
    await enter(t, 1, { session, role: "student", user: "sam", kind: "plain" });
    for (let i = 0; i < 60; i++) await publish(session, { ...NOTE, note: String(i) });
    const viewer = await view(t, 2, session);
    await viewer.told.until((told) => told.length >= 50);
    t.match(viewer.told.items[0], { role: "student", event: { note: "10" } }, "the newest 50");
    t.match(await viewer.session.next(), {
      session_id: session,
      teacher_online: false,
      connections: { teacher: 0, student: 1 },
    });
    await publish(session, { event: "hard_alert", capture_url: null });
    const roles = await Promise.all(
      (["student", "teacher"] as const).map((role) =>
        viewer.told.next((told) => told["role"] === role && nameOf(told) === "hard_alert"),
      ),
    );
    t.equal(roles.length, 2, "what comes, in both histories");
    t.equal(viewer.told.items.length, 52, "each once");
    const late = await view(t, 2, session);
    await late.told.until((told) => told.length === 52);
    t.same(late.told.items, viewer.told.items, "who comes later is told the same");
    t.match(await late.session.next(), { connections: { student: 1 } }, "and nobody more is there");

    const nobodys = randomUUID();
    const looking = await view(t, 0, nobodys);
    await looking.session.next();
    t.same(await redis.keys(`*${nobodys}*`), [], "nothing is kept of a session that is looked at");
  },
);

t.test(
  "one connection is found by whom it belongs to, and by its id, wherever it is",
  async (t) => {
    const session = randomUUID();
    // As long as one may be.
    const user = `user-${randomUUID()} `.padEnd(255, "가");
    await enter(t, 0, { session, role: "student", user, kind: "plain" });
    await enter(t, 2, { session, role: "teacher", user, kind: "websocket" });
    const find = async (query: Readonly<Record<string, string>>) => {
      const path = `/operator/connections?${String(new URLSearchParams(query))}`;
      const response = await fetch(`${cluster.replica(1).url}${path}`, { headers: bearer(KEY) });
      return {
        status: response.status,
        body: (await response.json()) as {
          connections: { connection: string; replica: string; role: string }[];
        },
      };
    };
    const { body: both } = await find({ user });
    t.match(both, { has_more: false, silent: 0 });
    const sorted = both.connections.sort((a, b) => a.replica.localeCompare(b.replica));
    t.match(sorted, [
      { session, role: "student", user, replica: "replica-1", protocol: "plain", is_behind: false },
      { session, role: "teacher", user, replica: "replica-3", protocol: "websocket" },
    ]);
    const id = sorted[1]?.connection ?? "";
    const { body: one } = await find({ id });
    t.match(one.connections, [{ connection: id, replica: "replica-3" }]);
    t.equal(one.connections.length, 1);
    t.same((await find({ user: "nobody" })).body.connections, []);
    t.equal((await find({})).status, 400);
    t.equal((await find({ id, user })).status, 400);
    t.equal((await find({ user: "u".repeat(256) })).status, 400);
    const several = await Promise.all([1, 2, 3].map(() => find({ user })));
    const statuses = several.map(({ status }) => status).sort();
    t.same(statuses, [200, 503, 503], "one search at a time");
  },
);

t.test(
  "what it costs Redis: nothing while nobody looks, and the same for one and for ten",
  async (t) => {
    const sent: string[] = [];
    const watching = redis.primaries.map((client) => client.duplicate());
    t.teardown(() => {
      for (const each of watching) each.destroy();
    });
    for (const each of watching) {
      await each.connect();
      // What scripts do is no command of its own: a renewal looks whether anybody looks.
      await each.monitor((line) => {
        if (!/^\S+ \[\d+ lua\]/.test(line)) sent.push(line);
      });
    }
    const renewals = () =>
      sent.filter((line) => line.includes('inthon:watched:{inthon:nodes}" "inthon:asked'));
    /** Those that are sent for operators alone. */
    const forOperators = () =>
      sent.filter(
        (line) =>
          /"(SET|GETRANGE|GET|DEL)" "inthon:(watched|asked|node:\S+:(report|answer))/.test(line) ||
          line.includes('"1" "inthon:nodes"'),
      );
    const keys = async () => [
      ...(await redis.keys("inthon:watched*")),
      ...(await redis.keys("inthon:node:*:report")),
    ];
    await eventually(async () => (await keys()).length === 0);
    sent.length = 0;
    await eventually(() => Promise.resolve(renewals().length >= 30));
    t.same(forOperators(), [], "while nobody looks");

    const looks = 4;
    const first = await view(t, 0);
    await first.shows(tell(3));
    const costOfLooks = async () => {
      sent.length = 0;
      await first.seesNext(looks);
      return forOperators().length;
    };
    const one = await costOfLooks();
    for (let i = 1; i < 10; i++) await view(t, 0);
    await first.seesNext(1);
    const ten = await costOfLooks();
    t.comment(`${looks} looks: ${one} commands for one who looks, ${ten} for ten`);
    // The list of replicas is read, and what each has told; that somebody looks is said; and each replica tells of itself.
    const expected = looks * (1 + 3 + 1 + 3);
    for (const cost of [one, ten]) t.ok(Math.abs(cost - expected) <= 5, `${cost} commands`);
  },
);

t.test("a replica that is killed is seen, and one that drains, and who comes", async (t) => {
  const viewer = await view(t, 0);
  await viewer.shows(tell(3));
  cluster.replica(1).kill("SIGKILL");
  const gone = await viewer.shows((shown) => lineOf(shown, "replica-2").state === "gone");
  t.equal(gone.total.replicas, 2);
  await viewer.shows(({ happened }) => happened.some(({ kind }) => kind === "died"));
  cluster.replica(2).kill("SIGTERM");
  const left = await viewer.shows((shown) => lineOf(shown, "replica-3").state === "left");
  const kinds = (node: string) =>
    left.happened.filter((each) => each.node === node).map(({ kind }) => kind);
  t.ok(kinds("replica-2").includes("gone"));
  t.ok(kinds("replica-3").includes("drains"), "it was told while it went");
  t.ok(kinds("replica-3").includes("left"));
  await cluster.replica(2).restart();
  const back = await viewer.shows((shown) => lineOf(shown, "replica-3").state === "ready");
  t.ok(back.happened.some(({ kind, node }) => kind === "came" && node === "replica-3"));
  // Also for who has only begun to look, and waits for the others to tell.
  await cluster.replica(1).restart();
  const fresh = await view(t, 1);
  const state = (shown: Overview) => lineOf(shown, "replica-3").state;
  await fresh.shows((shown) => state(shown) === "ready");
  cluster.replica(2).kill("SIGTERM");
  const after = await fresh.shows((shown) => !["ready", "draining"].includes(state(shown)));
  t.equal(state(after), "left");
});

t.test(
  "where Redis does not answer, what was seen last is shown, and said to be old",
  async (t) => {
    const viewer = await view(t, 0);
    await viewer.shows(({ total }) => total.replicas >= 1);
    redis.pause();
    const stale = await viewer.shows(({ trouble }) => trouble !== null);
    t.ok(stale.replicas.length > 0);
    redis.resume();
    await viewer.shows(({ trouble }) => trouble === null);
    const over = await viewer.shows(({ happened }) => happened.some(({ kind }) => kind === "over"));
    t.equal(over.happened.find(({ kind }) => kind === "over")?.text, "Redis is back");
    t.same(await redis.denied(), [], "nobody was denied anything, in all of this");
  },
);

function nameOf(told: Readonly<Record<string, unknown>>): unknown {
  return (told["event"] as { readonly event?: unknown } | undefined)?.event;
}
