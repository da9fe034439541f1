import { createSentinel } from "redis";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { eventually } from "../helpers/eventually.js";
import { replicated, type RedisServer } from "../helpers/processes/redis-server.js";
import { adminOf } from "../helpers/processes/redis-users.js";
import { post } from "../helpers/processes/environments.js";
import { startServer } from "../helpers/processes/server-process.js";
import { scrapeUntil } from "../telemetry/helpers/scrape.js";
import { isServed } from "../links/helpers/hung-links.js";
import { judge, lostOf, openClass, PUBLISHERS } from "./helpers/class.js";
import { startPrimary, startReplica } from "../helpers/topologies/replicas.js";
import {
  PRIMARY_NAME,
  startSentinels,
  urlOf,
  type Sentinel,
} from "../helpers/topologies/sentinels.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

interface Deployment {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  readonly sentinels: readonly Sentinel[];
}

async function startDeployment(t: Test): Promise<Deployment> {
  const primary = await startPrimary(t);
  const replica = await startReplica(t, primary);
  return { primary, replica, sentinels: await startSentinels(t, primary.port) };
}

/** A Sentinel that promotes it closes its connections, also that of who asks. */
async function isPrimary(admin: Awaited<ReturnType<typeof adminOf>>): Promise<boolean> {
  const info = await admin.info("replication").catch(() => "");
  return info.includes("role:master");
}

void t.test("a failover that is planned, with writes paused before, loses nothing", async (t) => {
  const deployment = await startDeployment(t);
  const { primary, replica, sentinels } = deployment;
  const { students, confirmed, servers, end } = await openClass(t, urlOf(deployment.sentinels));
  await eventually(() => Promise.resolve(confirmed.length >= 100));
  const [old, next] = [await adminOf(t, primary), await adminOf(t, replica)];
  // As the README says.
  await old.sendCommand(["CLIENT", "PAUSE", "10000", "WRITE"]);
  await replicated(old, next);
  await sentinels[1]?.ask("FAILOVER", PRIMARY_NAME);
  const before = confirmed.length;
  await eventually(() => isPrimary(next));
  await eventually(() => Promise.resolve(confirmed.length > before + PUBLISHERS));
  for (const server of servers) await eventually(() => isServed(server.url));
  const history = await end();
  t.strictSame(history.map(({ note }) => note).sort(), [...confirmed, "last"].sort());
  t.strictSame(
    students.filter(({ isClosed }) => isClosed),
    [],
    "nobody was sent away",
  );
  await judge(t, students, history);
});

for (const waitReplicas of [0, 1]) {
  const name = `one without a pause, ${String(waitReplicas)} replicas waited for: the old primary is left before it follows`;
  void t.test(name, async (t) => {
    const deployment = await startDeployment(t);
    const { primary, replica, sentinels } = deployment;
    const { students, confirmed, end } = await openClass(t, urlOf(sentinels), waitReplicas);
    await eventually(() => Promise.resolve(confirmed.length >= 100));
    const [old, next] = [await adminOf(t, primary), await adminOf(t, replica)];
    // Sentinels have one of their own.
    const channelsOf = (admin: typeof old) =>
      admin.sendCommand<string[]>(["PUBSUB", "CHANNELS", "socket.io*"]);
    const channels = await channelsOf(old);
    await sentinels[1]?.ask("FAILOVER", PRIMARY_NAME);
    await eventually(async () => {
      const found = await channelsOf(next).catch(() => []);
      return found.length === channels.length;
    });
    t.strictSame(await channelsOf(old), [], "nobody listens there");
    t.match(await old.info("replication"), "role:master", "which it still believes to be");
    // A Sentinel would say so in some seconds.
    await old.sendCommand(["REPLICAOF", "127.0.0.1", String(replica.port)]);
    const before = confirmed.length;
    await eventually(() => Promise.resolve(confirmed.length > before + 50));
    const history = await end();
    const lost = lostOf(t, confirmed, history);
    if (waitReplicas > 0) t.equal(lost, 0, "nothing that was confirmed is lost");
    await judge(t, students, history);
  });
}

for (const [signal, what] of [
  ["SIGKILL", "is killed"],
  ["SIGSTOP", "hangs, and comes back"],
] as const) {
  void t.test(
    `a primary that ${what}: what its replica has is heard, the rest is told`,
    async (t) => {
      const deployment = await startDeployment(t);
      const { primary, replica } = deployment;
      const { students, confirmed, servers, end } = await openClass(t, urlOf(deployment.sentinels));
      await eventually(() => Promise.resolve(confirmed.length >= 100));
      primary.kill(signal);
      const next = await adminOf(t, replica);
      await eventually(() => isPrimary(next));
      const before = confirmed.length;
      await eventually(() => Promise.resolve(confirmed.length > before + 50));
      if (signal === "SIGSTOP") primary.resume();
      for (const server of servers) await eventually(() => isServed(server.url));
      const history = await end();
      lostOf(t, confirmed, history);
      await judge(t, students, history);
    },
  );
}

void t.test(
  "Sentinels that want a password are shown that of Redis, and one that is away is not missed",
  async (t) => {
    const primary = await startPrimary(t);
    const admin = await adminOf(t, primary);
    await admin.sendCommand("ACL SETUSER app on >s3cret ~* &* +@all".split(" "));
    const sentinels = await startSentinels(t, primary.port, {
      count: 2,
      replicas: 0,
      password: "s3cret",
      lines: [
        "requirepass s3cret",
        "sentinel sentinel-pass s3cret",
        "user app on >s3cret ~* &* +@all",
      ],
    });
    const [gone] = sentinels;
    await gone?.process.stop();
    const emitter = await connect(urlOf(sentinels, "app:s3cret@"));
    t.ok((await emitter.emit("lecture-1", "session_ended")).offsets.student);
    await emitter.close();
    const wrong = await connect(urlOf(sentinels, "app:wrong@"), { connectTimeoutMs: 1_000 }).catch(
      (error: unknown) => error,
    );
    t.match(wrong, { code: "unavailable", message: /no Sentinel says.*(WRONGPASS|ECONNREFUSED)/ });
    const unknown = urlOf(sentinels, "app:s3cret@").replace(PRIMARY_NAME, "nobody");
    await t.rejects(connect(unknown, { connectTimeoutMs: 1_000 }), {
      code: "unavailable",
      message: /no Sentinel says.*(No such master|ECONNREFUSED)/,
    });
  },
);

void t.test(
  "Sentinels that are away are told of, one as well as all, and nothing stops",
  async (t) => {
    const primary = await startPrimary(t);
    const sentinels = await startSentinels(t, primary.port, { count: 2, replicas: 0 });
    const [first, second] = sentinels;
    const url = urlOf(sentinels);
    const server = await startServer({ env: { REDIS_URL: url, METRICS_PORT: "0" } });
    t.teardown(() => server.stop());
    const errors: Error[] = [];
    const emitter = await connect(url, {
      onError: (error) => {
        errors.push(error);
      },
    });
    t.teardown(() => emitter.close());
    const up = (value: number) =>
      scrapeUntil(server, (now) => now.value("redis_up", { purpose: "sentinels" }) === value);
    const lines = (text: string) => server.output().split(text).length - 1;
    // A line comes another way than a metric, and may be the later of the two.
    const isLogged = (text: string) => eventually(() => Promise.resolve(lines(text) > 0));
    const away = "no Sentinel says where the primary is: this replica stays";
    const oneUp = (port: number | undefined, value: number) => {
      const sentinel = `127.0.0.1:${String(port)}`;
      return scrapeUntil(server, (now) => now.value("sentinel_up", { sentinel }) === value);
    };
    await up(1);
    await second?.process.stop();
    const alone = await oneUp(second?.port, 0);
    t.equal(alone.value("redis_up", { purpose: "sentinels" }), 1, "the other one answers");
    await isLogged('"a Sentinel is away"');
    t.match(server.output(), new RegExp(`:${String(second?.port)}"[^\n]*"a Sentinel is away"`));
    t.equal(lines(away), 0);
    const oneTold = () => errors.filter(({ message }) => message.startsWith("a Sentinel is away"));
    await eventually(() => Promise.resolve(oneTold().length > 0));
    t.match(oneTold()[0]?.message, String(second?.port));
    first?.process.kill("SIGSTOP");
    const now = await up(0);
    for (const purpose of ["commands", "subscriptions"]) {
      t.equal(now.value("redis_up", { purpose }), 1, purpose);
    }
    await isLogged(away);
    t.equal(lines(away), 1, "one line");
    t.match(server.output(), /"level":50[^\n]*"purpose":"sentinels"/);
    const told = () => errors.filter(({ message }) => message.startsWith("no Sentinel says where"));
    await eventually(() => Promise.resolve(told().length > 0));
    t.equal(told().length, 1, "one error");
    t.ok(await isServed(server.url));
    t.equal((await post(server.url, "lecture-1", { event: "session_ended" })).status, 202);
    t.ok((await emitter.emit("lecture-1", "session_ended")).offsets.student);
    first?.process.kill("SIGCONT");
    const after = await up(1);
    for (const line of ["a Sentinel says again where the primary is", '"a Sentinel is back"']) {
      await isLogged(line);
      t.equal(lines(line), 1, line);
    }
    t.equal(lines(away), 1);
    t.equal(after.value("redis_reconnects_total", { purpose: "sentinels" }), 1);
  },
);

void t.test("an emitter takes a Sentinel client of the redis package", async (t) => {
  const { sentinels, primary } = await startDeployment(t);
  const open = async (database: number) => {
    const client = createSentinel({
      name: PRIMARY_NAME,
      sentinelRootNodes: sentinels.map(({ port }) => ({ host: "127.0.0.1", port })),
      nodeClientOptions: { database },
    });
    client.on("error", () => undefined);
    await client.connect();
    t.teardown(() => {
      void client.destroy();
    });
    return client;
  };
  const client = await open(0);
  const emitter = await connect(client);
  const offsets = [
    await emitter.emit("lecture-1", "session_ended"),
    await emitter.emit("lecture-1", "session_ended"),
  ].map((result) => result.offsets.student);
  t.equal(new Set(offsets).size, 2);
  await emitter.close();
  t.equal(
    await client.exists("history:{socket.io#/#session_lecture-1_student#}"),
    1,
    "it is yours",
  );
  t.match(await (await adminOf(t, primary)).info("keyspace"), /db0:/);
  await t.rejects(connect(await open(1)), { code: "invalid_option", message: /database number/ });
});
