import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { replicated, startRedis } from "../helpers/processes/redis-server.js";
import { adminOf } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { isServed } from "./helpers/hung-links.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const PATIENCE = { timeoutMs: 15_000 };

void t.test("a primary that was demoted is left for the one that has its name now", async (t) => {
  const first = await startRedis();
  t.teardown(() => first.stop());
  const second = await startRedis({ args: ["--replicaof", "127.0.0.1", String(first.port)] });
  t.teardown(() => second.stop());
  const [old, next] = [await adminOf(t, first), await adminOf(t, second)];
  await eventually(async () => (await next.info("replication")).includes("master_link_status:up"));

  // As behind a Kubernetes Service: those who are connected stay where they are.
  const name = await startTcpProxy(first.port);
  t.teardown(() => name.stop());
  const server = await startServer({ env: { REDIS_URL: name.url } });
  t.teardown(() => server.stop());
  const emitter = await connect(name.url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const student = await join({ url: server.url, session, role: "student", kind: "websocket" });
  t.teardown(() => student.close());
  const say = (note: string) =>
    emitter.emit(session, "important", { note, capture_url: null }, PATIENCE);

  await say("before");
  await replicated(old, next);
  await next.sendCommand(["REPLICAOF", "NO", "ONE"]);
  await old.sendCommand(["REPLICAOF", "127.0.0.1", String(second.port)]);
  name.leadTo(second.port);

  await say("after");
  await eventually(async () => (await fetch(`${server.url}/readyz`)).ok);
  const response = await post(server.url, session, {
    event: "important",
    note: "over HTTP",
    capture_url: null,
  });
  t.equal(response.status, 202);
  await student.inbox.next(({ object }) => object["note"] === "over HTTP");
  t.strictSame(
    student.inbox.items.map(({ object }) => object["note"]).filter(Boolean),
    ["before", "after", "over HTTP"],
    "each once, in order",
  );
  await eventually(async () => {
    const list = await old.sendCommand<string>(["CLIENT", "LIST"]);
    return !/cmd=(?!client|replconf|psync|info)/.test(
      list
        .split("\n")
        .filter((line) => !/flags=[MS]/.test(line))
        .join("\n"),
    );
  });
  t.pass("nobody is left with the old one, not even to listen");
});

void t.test(
  "subscriptions that stay with another Redis than the commands are made anew",
  async (t) => {
    const first = await startRedis();
    t.teardown(() => first.stop());
    const second = await startRedis();
    t.teardown(() => second.stop());
    const name = await startTcpProxy(first.port);
    t.teardown(() => name.stop());
    const server = await startServer({ env: { REDIS_URL: name.url } });
    t.teardown(() => server.stop());
    await eventually(() => isServed(server.url));

    name.leadTo(second.port);
    name.cut("commands");
    // The old one answers every question of the subscriber, and would for ever.
    t.equal(name.count("subscriptions"), 1);
    await eventually(async () => (await fetch(`${server.url}/readyz`)).status === 503);
    await eventually(() => isServed(server.url));
    t.equal(
      (await (await adminOf(t, first)).sendCommand<string[]>(["PUBSUB", "CHANNELS"])).length,
      0,
    );
  },
);

void t.test(
  "a primary that was set back while it was a replica gives no number again",
  async (t) => {
    for (const by of ["emitter", "HTTP"]) {
      const first = await startRedis();
      t.teardown(() => first.stop());
      const second = await startRedis({ args: ["--replicaof", "127.0.0.1", String(first.port)] });
      t.teardown(() => second.stop());
      const [one, two] = [await adminOf(t, first), await adminOf(t, second)];
      const isFollowing = (admin: typeof one) =>
        eventually(async () => (await admin.info("replication")).includes("master_link_status:up"));
      await isFollowing(two);
      const server = await startServer({ env: { REDIS_URL: first.url } });
      t.teardown(() => server.stop());
      const session = randomUUID();
      const emitter = await connect(by === "emitter" ? first.url : server.url);
      const say = async (note: string) => {
        const payload = { note, capture_url: null };
        const { offsets } = await emitter.emit(session, "important", payload, PATIENCE);
        return offsets.student ?? "";
      };
      const kept: string[] = [];
      for (let i = 0; i < 5; i++) kept.push(await say(`kept ${String(i)}`));
      await replicated(one, two);
      await two.sendCommand(["REPLICAOF", "NO", "ONE"]);
      const lost: string[] = [];
      for (let i = 0; i < 3; i++) lost.push(await say(`lost ${String(i)}`));

      // The process goes on, with its connections and its scripts; what it holds is the other one's.
      await one.sendCommand(["REPLICAOF", "127.0.0.1", String(second.port)]);
      await isFollowing(one);
      await one.sendCommand(["REPLICAOF", "NO", "ONE"]);
      await eventually(async () => (await fetch(`${server.url}/readyz`)).ok);
      const fresh: string[] = [];
      for (let i = 0; i < 3; i++) fresh.push(await say(`new ${String(i)}`));
      t.notOk(
        fresh.some((offset) => lost.includes(offset)),
        `${by}: no number is given twice`,
      );
      const answer = await fetch(
        `${server.url}/sessions/${session}/events?role=student&after=${lost.at(-1) ?? ""}`,
      );
      t.match(await answer.json(), { complete: false }, `${by}: who had seen what is lost is told`);
      const whole = await fetch(
        `${server.url}/sessions/${session}/events?role=student&after=${kept[2] ?? ""}`,
      );
      const { complete, events } = (await whole.json()) as {
        complete: boolean;
        events: { offset: string }[];
      };
      t.ok(complete);
      t.strictSame(
        events.map(({ offset }) => offset),
        [...kept.slice(3), ...fresh],
      );
      await emitter.close();
    }
  },
);
