import { randomUUID } from "node:crypto";
import t from "tap";
import { slotOf } from "@inthon/emitter";
import { join } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { post } from "../../helpers/processes/environments.js";
import { startRedisCluster } from "../../helpers/processes/redis-cluster.js";
import { startServer } from "../../helpers/processes/server-process.js";
import { scrapeUntil } from "../../telemetry/helpers/scrape.js";

const NODES = "inthon:nodes";
const LEASE_MS = 2_000;
const HANDOVER_MS = 2_000;
/** Of another master than that of {@link NODES}. */
const AWAITED = 0;
/** Left for longer than a slot of its size is on its way, and asked in turn. */
const PATIENCE_MS = 30_000;

void t.test(
  "a slot that is left on its way is told, its lease is kept all the same, and mended it is well",
  async (t) => {
    const cluster = await startRedisCluster(t, { replicas: 0 });
    const env = { REDIS_URL: cluster.url(), LEASE_MS: String(LEASE_MS), METRICS_PORT: "0" };
    const servers = await Promise.all([
      startServer({ env }),
      startServer({ env }),
      startServer({ env: { ...env, HANDOVER_MS: String(HANDOVER_MS), DRAIN_SPREAD_MS: "0" } }),
    ]);
    const [{ url }, dying, leaving] = servers;
    for (const server of servers) t.teardown(() => server.stop());
    const session = randomUUID();
    const student = await join({ url, session, role: "student", kind: "websocket" });
    const teacher = await join({ url: dying.url, session, role: "teacher", kind: "websocket" });
    for (const client of [student, teacher]) t.teardown(() => client.close());
    const slot = slotOf(NODES);
    const source = await cluster.masterOf(slot);
    const target = (await cluster.masters()).find((master) => master !== source);
    if (!target) throw new Error("another master");
    const open = async () => {
      await target.ask("CLUSTER", "SETSLOT", String(slot), "IMPORTING", source.id);
      await source.ask("CLUSTER", "SETSLOT", String(slot), "MIGRATING", target.id);
    };
    const readiness = async () => {
      const answer = await fetch(`${url}/readyz`);
      return { status: answer.status, text: await answer.text() };
    };
    // What the slot's own master does not say is of no effect: as after a reshard whose source has died.
    const owner = await cluster.masterOf(AWAITED);
    t.not(owner, source);
    await source.ask("CLUSTER", "SETSLOT", String(AWAITED), "IMPORTING", owner.id);
    await open();
    await eventually(
      async () => (await readiness()).text.includes("redis_slots_open"),
      PATIENCE_MS,
    );
    const { status, text } = await readiness();
    t.equal(status, 200, "of 16,384 it is one");
    t.equal((JSON.parse(text) as { status: unknown }).status, "degraded");
    t.match(text, String(slot), "which one");
    t.notMatch(text, String(source.redis.port), "and no address");
    const count = async (section: string, of: RegExp) =>
      Number(of.exec(String(await source.ask("INFO", section)))?.[1] ?? 0);
    const refused = await count("errorstats", /errorstat_TRYAGAIN:count=(\d+)/);
    const calls = await count("commandstats", /cmdstat_evalsha:calls=(\d+)/);
    t.ok(
      refused > 0 && refused < 2 * calls,
      "what is in two places is asked for one by one, at once",
    );
    t.comment(`${String(refused)} refused, ${String(calls)} carried out`);
    await eventually(
      () => Promise.resolve(servers[0].output().includes("slots are awaited")),
      PATIENCE_MS,
    );
    await scrapeUntil(servers[0], (now) => now.value("redis_slots", { state: "open" }) === 1);
    const told = () => servers[0].output().split("slots have been left on their way").length - 1;
    t.equal(told(), 1, "one line");
    const ports = `(?:${String(source.redis.port)}|${String(target.redis.port)})`;
    t.match(servers[0].output(), new RegExp(`"redis":"[^"]*:${ports}`), "and of whom, in the log");

    // Many leases later, each is renewed: nobody is taken for dead who lives, and who dies is noticed.
    const beats = async () => {
      const scores = (await source.ask("ZRANGE", NODES, "0", "-1", "WITHSCORES")) as unknown[];
      return JSON.stringify(scores);
    };
    const before = await beats();
    await eventually(async () => (await beats()) !== before, 2 * LEASE_MS + 5_000);
    t.notMatch(servers[0].output(), "the lease ran out");
    const other = await join({ url, session: randomUUID(), role: "teacher", kind: "plain" });
    t.teardown(() => other.close());
    // Who drains is believed for its time, and no longer.
    const drained = randomUUID();
    const hearer = await join({ url, session: drained, role: "student", kind: "websocket" });
    const left = {
      url: leaving.url,
      session: drained,
      role: "teacher",
      kind: "websocket",
    } as const;
    const goer = await join(left);
    for (const client of [hearer, goer]) t.teardown(() => client.close());
    leaving.kill("SIGTERM");
    await hearer.inbox.next(
      ({ object }) => object["event"] === "teacher_presence" && object["is_online"] === false,
    );
    const survivors = [servers[0], dying];
    await eventually(
      () => Promise.resolve(survivors.some((one) => one.output().includes("had their time"))),
      5_000,
    );
    dying.kill("SIGKILL");
    await student.inbox.next(
      ({ object }) => object["event"] === "teacher_presence" && object["is_online"] === false,
    );

    // The keys go over one by one: each is found where it is.
    const where = ["127.0.0.1", String(target.redis.port), "", "0", "1000"];
    await source.ask("MIGRATE", ...where, "KEYS", NODES);
    await scrapeUntil(servers[0], (now) => now.value("redis_slots", { state: "open" }) === 1);
    t.notMatch(servers[0].output(), "the lease ran out");

    // As `redis-cli --cluster fix` does.
    await target.ask("CLUSTER", "SETSLOT", String(slot), "NODE", target.id);
    await source.ask("CLUSTER", "SETSLOT", String(slot), "NODE", target.id);
    await eventually(async () => (await readiness()).text.includes('"ready"'), PATIENCE_MS);
    await scrapeUntil(servers[0], (now) => now.value("redis_slots", { state: "open" }) === 0);
    t.match(servers[0].output(), "no slot is on its way any more");

    // Its first slot is on its way to a master that has none yet, and what is in it is over there.
    const guest = await cluster.addNode();
    await guest.ask("CLUSTER", "SETSLOT", String(slot), "IMPORTING", target.id);
    await target.ask("CLUSTER", "SETSLOT", String(slot), "MIGRATING", guest.id);
    const there = ["127.0.0.1", String(guest.redis.port), "", "0", "1000"];
    await target.ask("MIGRATE", ...there, "KEYS", NODES);
    const beatsThere = async () => {
      const [, scores] = await Promise.all([
        guest.ask("ASKING"),
        guest.ask("ZRANGE", NODES, "0", "-1", "WITHSCORES"),
      ]);
      return JSON.stringify(scores);
    };
    const atFirst = await beatsThere();
    // Longer than a lease: it would have run out.
    const until = performance.now() + 2 * LEASE_MS;
    await eventually(
      async () => (await beatsThere()) !== atFirst && performance.now() > until,
      2 * LEASE_MS + 5_000,
    );
    t.notMatch(servers[0].output(), "the lease ran out");
    await guest.ask("CLUSTER", "SETSLOT", String(slot), "NODE", guest.id);
    await target.ask("CLUSTER", "SETSLOT", String(slot), "NODE", guest.id);
    await eventually(async () => (await readiness()).text.includes('"ready"'), PATIENCE_MS);
    t.equal((await post(url, session, { event: "session_ended" })).status, 202);
  },
);
