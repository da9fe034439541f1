import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { join, type ClientKind } from "../helpers/clients/clients.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";
import { scrape, scrapeUntil } from "./helpers/scrape.js";

const ENV = {
  METRICS_PORT: "0",
  MAX_UNREAD_BYTES: "65536",
  PING_INTERVAL_MS: "300000",
  PRESENCE_WINDOW_MS: "0",
};

/** A replica alone, and one on Redis. */
const TARGETS: Readonly<Record<string, (t: Test) => Promise<ServerProcess>>> = {
  memory: async (t) => {
    const server = await startServer({ env: ENV });
    t.teardown(() => server.stop());
    return server;
  },
  redis: async (t) => {
    const cluster = await startCluster({ replicas: 1, env: ENV });
    t.teardown(() => cluster.stop());
    return cluster.replica(0);
  },
};

async function publish(server: ServerProcess, session: string, body: unknown, key?: string) {
  const response = await fetch(`${server.url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { "idempotency-key": key }) },
    body: JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as unknown };
}

/** By which clients connect, as they are counted. */
const PROTOCOLS = ["websocket", "polling", "plain", "event-stream"] as const;
const IMPORTANT = { event: "important", note: "n", capture_url: null };

async function plainAt(t: Test, server: ServerProcess, session: string, offset: string) {
  const url = server.url.replace("http", "ws");
  const socket = new WebSocket(`${url}/ws/session/${session}/student/?offset=${offset}`);
  t.teardown(() => {
    socket.terminate();
  });
  await once(socket, "message");
  return socket;
}

for (const [name, start] of Object.entries(TARGETS)) {
  void t.test(`${name}: connections, joins and ends are counted, by what and why`, async (t) => {
    const server = await start(t);
    const session = randomUUID();
    const client = (kind: ClientKind, role: "student" | "teacher" = "student") =>
      join({ url: server.url, session, role, kind });
    const before = await scrape(server);
    t.equal(before.value("connections"), 0);
    const stock = await client("websocket");
    const polling = await client("polling");
    const plain = await client("plain");
    const stream = await client("event-stream");
    const teacher = await client("plain", "teacher");
    let now = await scrape(server);
    for (const protocol of PROTOCOLS) {
      t.equal(now.value("connections", { protocol, role: "student" }), 1, protocol);
      t.equal(now.value("connections_opened_total", { protocol, role: "student" }), 1, protocol);
    }
    t.equal(now.value("connections", { role: "teacher" }), 1);
    t.equal(now.value("joins_total", { role: "student", outcome: "fresh" }), 4);
    t.equal(now.value("join_duration_seconds_count"), 5);
    t.ok(now.value("join_duration_seconds_sum") > 0);
    t.equal(now.value("rooms"), 2);
    t.equal(now.value("presence_changes_total"), 1, "the teacher has come");
    t.equal(now.value("events_published_total", { via: "presence", outcome: "published" }), 1);

    const upgraded = await client("upgrade");
    now = await scrapeUntil(
      server,
      (one) => one.value("connections", { protocol: "websocket" }) === 2,
    );
    t.equal(now.value("connections", { protocol: "polling" }), 1, "it is counted once");
    t.equal(now.value("connections_opened_total", { protocol: "polling" }), 2, "as it began");

    await Promise.all([stock, polling, upgraded].map((one) => one.close()));
    await plain.close();
    await stream.close();
    await teacher.close();
    const ended = (one: Awaited<ReturnType<typeof scrape>>, reason: string) =>
      one.value("connections_closed_total", { reason });
    now = await scrapeUntil(server, (one) => one.value("connections") === 0);
    t.equal(now.value("connections_closed_total"), 6);
    for (const protocol of PROTOCOLS) {
      const opened = now.value("connections_opened_total", { protocol });
      t.equal(
        now.value("connections_closed_total", { protocol }),
        opened,
        `${protocol}: each once`,
      );
    }
    t.equal(ended(now, "client_left"), 3);
    t.equal(ended(now, "transport_closed"), 3);
    now = await scrapeUntil(server, (one) => one.value("presence_changes_total") === 2);

    const last = await client("plain");
    await publish(server, session, { event: "session_ended" });
    await last.closed;
    await scrapeUntil(server, (one) => ended(one, "session_ended") === 1);
  });

  void t.test(`${name}: what is published, told and resumed is counted`, async (t) => {
    const server = await start(t);
    const session = randomUUID();
    const clients = await Promise.all(
      PROTOCOLS.map((kind) => join({ url: server.url, session, role: "student", kind })),
    );
    t.teardown(() => Promise.all(clients.map((client) => client.close())));
    const first = await publish(server, session, IMPORTANT, "k");
    t.equal(first.status, 202);
    for (const { inbox } of clients) await inbox.next(({ event }) => event === "important");
    await publish(server, session, IMPORTANT, "k");
    t.equal((await publish(server, session, { event: "important" })).status, 400);
    let now = await scrape(server);
    const published = (outcome: string, event = "important") =>
      now.value("events_published_total", { via: "http", event, outcome });
    t.equal(published("published"), 1);
    t.equal(published("duplicate"), 1);
    t.equal(published("invalid", "unknown"), 1);
    t.equal(now.value("publish_duration_seconds_count"), 2);
    t.equal(now.value("events_received_total", { event: "important" }), 1);
    for (const protocol of PROTOCOLS) {
      t.equal(now.value("deliveries_total", { protocol }), 1, protocol);
    }
    const bytes = now.value("delivered_bytes_total");
    t.ok(bytes > 4 * 80 && bytes < 4 * 250, `${bytes} bytes`);
    t.equal(now.value("publish_to_socket_seconds_count", { event: "important" }), 1);
    const lag = now.value("publish_to_socket_seconds_sum", { event: "important" });
    // By Redis's clock, as exactly as that is known here: what was told sooner was told at once.
    t.ok(lag >= 0 && lag < 10, `${lag} s`);
    t.equal(now.value("publish_to_socket_seconds_count"), 1, "and of no other event");
    t.equal(now.value("room_cached_events"), 1);

    for (let i = 0; i < 2; i++) await publish(server, session, IMPORTANT);
    const { offsets } = first.answer as { offsets: { student: string } };
    await plainAt(t, server, session, offsets.student);
    await plainAt(t, server, session, "1-1");
    await plainAt(t, server, session, "");
    now = await scrape(server);
    const joined = (outcome: string) => now.value("joins_total", { role: "student", outcome });
    t.equal(joined("resumed"), 1);
    t.equal(now.value("resume_events_count"), 1);
    t.equal(now.value("resume_events_sum"), 2);
    t.equal(joined("not_recovered"), 1);
    t.equal(joined("fresh"), 5, "who asks for offsets alone has asked for nothing that was");

    const reads = now.value("history_read_seconds_count");
    await fetch(`${server.url}/sessions/${session}/events?role=student`);
    now = await scrape(server);
    t.equal(now.value("history_read_seconds_count"), reads + 1);
  });

  void t.test(`${name}: who goes over a limit is counted, and a slow reader as one`, async (t) => {
    const server = await start(t);
    const session = randomUUID();
    const large = await plainAt(t, server, session, "");
    large.on("error", () => undefined);
    large.send("x".repeat(5_000));
    await once(large, "close");
    const slow = await plainAt(t, server, session, "");
    slow.on("error", () => undefined);
    slow.pause();
    const note = "n".repeat(60_000);
    let now = await scrape(server);
    for (let i = 0; i < 400 && now.value("slow_readers_closed_total") === 0; i++) {
      await publish(server, session, { ...IMPORTANT, note });
      now = await scrape(server);
    }
    t.equal(now.value("slow_readers_closed_total"), 1);
    t.equal(now.value("limits_hit_total", { limit: "slow_reader" }), 1);
    t.equal(now.value("limits_hit_total", { limit: "too_large" }), 1);
    now = await scrapeUntil(server, (one) => one.value("connections") === 0);
    for (const reason of ["slow_reader", "too_large"]) {
      t.equal(now.value("connections_closed_total", { protocol: "plain", reason }), 1, reason);
    }
  });

  void t.test(`${name}: a replica that goes says so as long as it is there`, async (t) => {
    const server = await start(t);
    const session = randomUUID();
    const client = await join({ url: server.url, session, role: "student", kind: "plain" });
    t.equal((await scrape(server)).value("draining"), 0);
    // A request that does not come to its end keeps it for a while.
    const url = new URL(`${server.url}/sessions/${session}/events`);
    const unfinished = request(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": "1000",
        expect: "100-continue",
      },
    });
    unfinished.on("error", () => undefined);
    unfinished.flushHeaders();
    // Its body is waited for.
    await once(unfinished, "continue");
    unfinished.write("{");
    server.kill("SIGTERM");
    await client.closed;
    const now = await scrape(server);
    t.equal(now.value("draining"), 1);
    t.equal(now.value("connections_closed_total", { reason: "draining" }), 1);
    unfinished.destroy();
    // A second signal, of the teardown, would end it at once.
    await server.exited;
  });
}
