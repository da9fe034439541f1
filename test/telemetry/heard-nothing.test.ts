import { once } from "node:events";
import { SignJWT } from "jose";
import { createClient } from "redis";
import t from "tap";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { scrapeUntil } from "./helpers/scrape.js";
import { readDocuments } from "../helpers/documents.js";

const JWT_SECRET = "s".repeat(32);
const KEY = "a-key-of-a-service";
const IMPORTANT = { event: "important", note: "n", capture_url: null };

/** What an operator finds: fields of a line of the log, and a number that has grown. */
interface Evidence {
  readonly line?: Readonly<Record<string, unknown>>;
  readonly metric?: readonly [name: string, labels: Readonly<Record<string, string>>];
}

/** However it closes: `once` would reject where an error comes first. */
function closed(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => {
      resolve();
    });
  });
}

function tokenFor(session: string, lifetime: string): Promise<string> {
  return new SignJWT({ session_id: session, role: "student" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime(lifetime)
    .sign(new TextEncoder().encode(JWT_SECRET));
}

async function open() {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const network = await startTcpProxy(redis.port);
  t.teardown(() => network.stop());
  const server = await startServer({
    env: {
      METRICS_PORT: "0",
      JWT_SECRET,
      PUBLISH_KEYS: KEY,
      REDIS_URL: network.url,
      REDIS_LINK_TIMEOUT_MS: "1000",
      LEASE_MS: "2000",
      PING_INTERVAL_MS: "1000",
      MAX_UNREAD_BYTES: "65536",
    },
  });
  t.teardown(() => server.stop());
  const emitter = await connect(redis.url);
  t.teardown(() => emitter.close());

  /** A student of a session; resolves when it has been told `connected`. */
  const join = async (session: string, { lifetime = "1h", offset = "", autoPong = true } = {}) => {
    const url = `${server.url.replace("http", "ws")}/ws/session/${session}/student/?offset=${offset}`;
    const authorization = `Bearer ${await tokenFor(session, lifetime)}`;
    const socket = new WebSocket(url, { headers: { authorization }, autoPong });
    socket.on("error", () => undefined);
    t.teardown(() => {
      socket.terminate();
    });
    await once(socket, "message");
    return socket;
  };
  const post = (session: string, body: unknown, key = KEY, headers = {}) =>
    fetch(`${server.url}/sessions/${session}/events`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers },
      body: JSON.stringify(body),
    });
  return { redis, network, server, emitter, join, post };
}

type World = Awaited<ReturnType<typeof open>>;

/** Each row of the README's table, by its first column: how it comes about, and what tells it. The last one ends all. */
const CASES: Readonly<
  Record<
    string,
    Evidence & { readonly provoke: (world: World, session: string) => Promise<unknown> }
  >
> = {
  "its token ran out": {
    line: { msg: "disconnected", reason: "token_expired" },
    metric: ["connections_closed_total", { reason: "token_expired" }],
    provoke: async ({ join }, session) => closed(await join(session, { lifetime: "1s" })),
  },
  "its token is for another session": {
    line: { msg: "refused", code: "forbidden" },
    metric: ["limits_hit_total", { limit: "forbidden" }],
    provoke: async ({ server }, session) => {
      const url = `${server.url.replace("http", "ws")}/ws/session/${session}/student/`;
      const authorization = `Bearer ${await tokenFor("elsewhere", "1h")}`;
      const socket = new WebSocket(url, { headers: { authorization } });
      socket.on("error", () => undefined);
      await closed(socket);
    },
  },
  "it read too slowly": {
    // What waited for it was thrown away: nobody knows how much of the last it had.
    line: { msg: "disconnected", reason: "slow_reader", to: undefined },
    metric: ["slow_readers_closed_total", {}],
    provoke: async ({ server, join, post }, session) => {
      const socket = await join(session);
      socket.pause();
      const line = new RegExp(`"session":"${session}".*"reason":"slow_reader"`);
      const burst = Array.from({ length: 15 }, () => ({ ...IMPORTANT, note: "n".repeat(60_000) }));
      await eventually(async () => {
        await post(session, burst);
        return line.test(server.output());
      });
    },
  },
  "its network went away": {
    line: { msg: "disconnected", reason: "ping_timeout" },
    metric: ["connections_closed_total", { reason: "ping_timeout" }],
    provoke: async ({ join }, session) => closed(await join(session, { autoPong: false })),
  },
  "nobody published to its room": {
    // The same place when it came and when it went.
    line: { msg: "disconnected", from: /^\d+-0$/, to: /^\d+-0$/ },
    provoke: async ({ join }, session) => {
      (await join(session)).close();
    },
  },
  "it was published to another session": {
    line: { msg: "told", connections: 0 },
    provoke: async ({ join, post }, session) => {
      const socket = await join(session);
      socket.close();
      await closed(socket);
      // The room is held for a moment after its last member.
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      await post(session, IMPORTANT, KEY, { traceparent });
    },
  },
  "the publisher sent no event of the contract": {
    metric: ["events_published_total", { event: "unknown", outcome: "invalid" }],
    provoke: ({ post }, session) => post(session, { event: "importnat" }),
  },
  "the publisher's key is wrong": {
    line: { msg: "refused", code: "unauthorized" },
    metric: ["limits_hit_total", { limit: "unauthorized" }],
    provoke: ({ post }, session) => post(session, IMPORTANT, "wrong"),
  },
  "it was away for too long": {
    metric: ["joins_total", { outcome: "not_recovered" }],
    provoke: ({ join }, session) => join(session, { offset: "1-1" }),
  },
  "Redis hung": {
    line: { msg: "Redis is away, reconnecting", code: "unavailable" },
    metric: ["events_published_total", { outcome: "unavailable" }],
    provoke: async ({ network, post, server }, session) => {
      network.hang();
      network.hangNew();
      await post(session, IMPORTANT);
      network.leadAgain();
      network.heal();
      await scrapeUntil(server, (now) => now.value("redis_up") === 2);
    },
  },
  "Redis lost the history": {
    line: { msg: "disconnected", reason: "history_lost" },
    metric: ["gaps_total", { outcome: "lost" }],
    provoke: async ({ redis, network, emitter, join }, session) => {
      const socket = await join(session);
      await emitter.emit(session, "important", { note: "", capture_url: null });
      await once(socket, "message");
      const admin = createClient({ url: redis.url });
      await admin.connect();
      network.hang({ link: "subscriptions" });
      await admin.flushAll();
      admin.destroy();
      await emitter.emit(session, "important", { note: "", capture_url: null });
      await closed(socket);
    },
  },
  "its replica went, and it did not come back": {
    line: { msg: "disconnected", reason: "draining" },
    provoke: async ({ server, join }, session) => {
      const socket = await join(session);
      server.kill("SIGTERM");
      await closed(socket);
      await server.exited;
    },
  },
};

/** The README's table: by the first column, what tells it. */
async function tableOfReadme(): Promise<ReadonlyMap<string, string>> {
  const readme = await readDocuments();
  const [, table = ""] =
    /\n\| why it heard nothing +\| what tells it +\|\n((?:\|.*\n)+)/.exec(readme) ?? [];
  const rows = table.matchAll(/^\| ([^|]*[^| ]) *\| ([^|]*)\|$/gm);
  return new Map([...rows].slice(1).map(([, why = "", tells = ""]) => [why, tells]));
}

void t.test("why did student X hear nothing? A line or a number tells each case", async (t) => {
  const table = await tableOfReadme();
  t.strictSame([...table.keys()], Object.keys(CASES), "the README's table has these cases");
  const world = await open();
  for (const [i, [why, { line, metric, provoke }]] of Object.entries(CASES).entries()) {
    const session = `case-${String(i)}`;
    await provoke(world, session);
    if (metric) {
      const now = await scrapeUntil(world.server, (one) => one.value(...metric) > 0);
      t.ok(now.value(...metric) > 0, `${why}: ${metric[0]}`);
    }
    if (line)
      await eventually(() => Promise.resolve(hasLine(world.server.output(), session, line)));
    const tells = table.get(why) ?? "";
    const named = [
      metric?.[0],
      ...Object.values(metric?.[1] ?? {}),
      line?.["reason"],
      line?.["code"],
    ];
    for (const word of named)
      if (typeof word === "string") t.match(tells, word, `${why}: the README names it`);
  }
});

/** Whether a line has these fields, and is of this session where it names one. */
function hasLine(
  output: string,
  session: string,
  wanted: Readonly<Record<string, unknown>>,
): boolean {
  return output
    .split("\n")
    .filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text) as Readonly<Record<string, unknown>>)
    .some(
      (line) =>
        (line["session"] ?? session) === session &&
        Object.entries(wanted).every(([name, value]) =>
          value instanceof RegExp ? value.test(String(line[name])) : line[name] === value,
        ),
    );
}
