import { randomUUID } from "node:crypto";
import t from "tap";
import { connect, EmitterError } from "@inthon/emitter";
import { CLIENT_KINDS, join } from "../helpers/clients/clients.js";
import { startOnRedis } from "../helpers/deployments/on-redis.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { post } from "../helpers/processes/environments.js";
import { eventually } from "../helpers/eventually.js";

void t.test("while Redis is away, everything waits, and nothing breaks", async (t) => {
  const { cluster, redis } = await startOnRedis(t, {
    replicas: 2,
    redis: { appendOnly: true, args: ["--appendfsync", "always"] },
  });
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const [first, second] = cluster.replicas.map(({ url }) => url);
  if (first === undefined || second === undefined) throw new Error("two replicas were started");
  const session = randomUUID();
  const clients = await Promise.all(
    CLIENT_KINDS.flatMap((kind) =>
      [first, second].map((url) => join({ url, session, role: "student", kind })),
    ),
  );
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  const statusOf = async (url: string, path: string) => (await fetch(`${url}${path}`)).status;

  redis.kill("SIGKILL");
  await redis.exited;
  await eventually(async () => (await statusOf(first, "/readyz")) === 503);

  await t.test("the process is healthy, and not ready", async (t) => {
    t.equal(await statusOf(first, "/healthz"), 200);
    const response = await fetch(`${second}/readyz`);
    t.equal(response.status, 503);
    t.ok(response.headers.get("retry-after"));
  });

  await t.test("publishing over HTTP says so, and when to come back", async (t) => {
    const response = await post(first, session, { event: "hard_alert", capture_url: null });
    t.equal(response.status, 503);
    t.equal(response.headers.get("retry-after"), "1");
    t.match(await response.json(), {
      status: 503,
      code: "unavailable",
      title: "Service Unavailable",
    });
  });

  await t.test("reading says so too", async (t) => {
    const paths = [`/sessions/${session}`, `/sessions/${session}/events?role=student`];
    t.strictSame(await Promise.all(paths.map((path) => statusOf(first, path))), [503, 503]);
  });

  await t.test(
    "emit keeps trying until its time is up, then says that a retry may succeed",
    async (t) => {
      const failed = emitter.emit(
        session,
        "important",
        { note: "given up", capture_url: null },
        { idempotencyKey: "given-up", timeoutMs: 300 },
      );
      const error = await failed.then(
        () => undefined,
        (error: unknown) => error,
      );
      t.ok(error instanceof EmitterError);
      t.match(error, { code: "unavailable", retryable: true, idempotencyKey: "given-up" });
    },
  );

  await t.test("clients stay connected and are answered", async (t) => {
    const talking = clients.filter(({ kind }) => kind !== "event-stream");
    for (const client of talking) {
      client.ping();
      await client.inbox.next(({ event }) => event === "pong");
    }
    t.equal(talking.length, 8);
  });

  const patient = emitter.emit(
    session,
    "important",
    { note: "patient", capture_url: null },
    { timeoutMs: 30_000 },
  );
  await redis.restart();

  await t.test("when it is back, all of it works again by itself", async (t) => {
    const { offsets, duplicate } = await patient;
    t.ok(offsets.student);
    t.equal(duplicate, false);
    for (const url of [first, second]) {
      await eventually(async () => (await statusOf(url, "/readyz")) === 200);
    }
    await emitter.emit(
      session,
      "important",
      { note: "given up", capture_url: null },
      { idempotencyKey: "given-up" },
    );
    const response = await post(second, session, { event: "hard_alert", capture_url: null });
    t.equal(response.status, 202);
    for (const { inbox, kind } of clients) {
      await inbox.next(({ event }) => event === "hard_alert");
      const notes = inbox.items.map(({ object }) => object["note"]).filter(Boolean);
      t.strictSame(notes, ["patient", "given up"], `${kind}: each once`);
      t.equal(inbox.items.filter(({ event }) => event === "connected").length, 1, "never left");
    }
    for (const replica of cluster.replicas) {
      t.notMatch(replica.output(), /unexpected error|Unhandled/i);
    }
  });
});

void t.test("who reads while Redis is away is answered once it is back", async (t) => {
  // Alone: masters of a cluster that start again serve nobody for longer than a read waits.
  const cluster = await startCluster({ replicas: 1, redis: { appendOnly: true } });
  t.teardown(() => cluster.stop());
  const { redis } = cluster;
  const { url } = cluster.replica(0);
  const session = randomUUID();
  const statusOf = async (path: string) => (await fetch(`${url}${path}`)).status;
  const paths = [`/sessions/${session}`, `/sessions/${session}/events?role=student`];

  // A read waits for 3 s. Where the machine is too busy to bring Redis back within them, once more.
  let answers: number[] = [];
  let tookMs = Infinity;
  while (tookMs > 2_000) {
    redis.kill("SIGKILL");
    await redis.exited;
    await eventually(async () => (await statusOf("/readyz")) === 503);
    const startedAt = performance.now();
    const asked = Promise.all(paths.map(statusOf));
    await redis.restart();
    await eventually(async () => (await statusOf("/readyz")) === 200);
    tookMs = performance.now() - startedAt;
    answers = await asked;
  }
  t.strictSame(answers, [200, 200]);
});

void t.test(
  "what is published while a replica's subscriptions are cut arrives all the same",
  async (t) => {
    const { cluster, redis } = await startOnRedis(t, { replicas: 2 });
    const emitter = await connect(cluster.redisUrl);
    t.teardown(() => emitter.close());
    const session = randomUUID();
    const clients = await Promise.all(
      cluster.replicas.flatMap(({ url }) =>
        CLIENT_KINDS.map((kind) => join({ url, session, role: "student", kind })),
      ),
    );
    t.teardown(() => Promise.all(clients.map((client) => client.close())));

    const expected: string[] = [];
    for (let round = 0; round < 20; round++) {
      // Cut in the middle of a burst: some of it is lost on the way, and must be read from history, in its place.
      const burst = Array.from({ length: 10 }, (_, i) => `${String(round)}.${String(i)}`);
      const published = burst.map((note, i) => {
        if (i === 3) void redis.everywhere("CLIENT", "KILL", "TYPE", "pubsub");
        if (i === 6) void redis.everywhere("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        return { event: "important", note, capture_url: null } as const;
      });
      expected.push(...burst);
      await emitter.emitAll(session, published, { timeoutMs: 15_000 });
    }
    for (const { inbox, kind } of clients) {
      await inbox.until((items) => items.length > expected.length);
      const notes = inbox.items.slice(1).map(({ object }) => object["note"]);
      t.strictSame([...notes].sort(), [...expected].sort(), `${kind}: each once`);
      t.strictSame(
        notes,
        clients[0]?.inbox.items.slice(1).map(({ object }) => object["note"]),
        "one order",
      );
    }
  },
);
