import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import t, { type Test } from "tap";
import { isReply, Link, routeTo, type LinkOptions } from "@inthon/emitter";
import { Inbox } from "../helpers/clients/inbox.js";
import { redisTarget } from "../helpers/redis-target.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";

const TIMEOUT_MS = 500;

type Told = readonly [isUp: boolean, cause: Error | undefined];

/** A link that proves itself by a PING, and what it tells. */
function openLink(t: Test, url: string, options: Partial<LinkOptions> = {}) {
  const told = new Inbox<Told>();
  const errors = new Inbox<Error>();
  const link = new Link(routeTo(redisTarget(url)), {
    timeoutMs: TIMEOUT_MS,
    prove: async (inTime) => {
      await inTime(link.client.ping());
    },
    onError: (error) => {
      errors.add(error);
    },
    ...options,
  });
  link.onChange((...change) => {
    told.add(change);
  });
  link.open();
  t.teardown(() => link.close());
  return { link, told, errors };
}

const isUp = ([is]: Told) => is;

async function startBehindProxy(t: Test) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const proxy = await startTcpProxy(redis.port);
  t.teardown(() => proxy.stop());
  return { redis, proxy };
}

void t.test(
  "what a dropped connection had not answered fails, and is not sent again",
  async (t) => {
    const { redis, proxy } = await startBehindProxy(t);
    const { link, told } = openLink(t, proxy.url);
    await told.next(isUp);
    const sentBefore = link.client.incr("counter");
    await sentBefore;
    proxy.hang();
    const lost = await Promise.allSettled([1, 2, 3].map(() => link.client.incr("counter")));
    t.strictSame(
      lost.map(({ status }) => status),
      ["rejected", "rejected", "rejected"],
    );
    await t.rejects(link.client.incr("counter"), "without a connection it fails at once");
    await told.next(isUp, 2);
    t.equal(await link.client.get("counter"), "1");
    t.equal(proxy.count(), 1, "the old connection is closed");
    t.match(told.items, [[true], [false, { message: /has not answered/ }], [true]]);
    await redis.stop();
  },
);

void t.test("an attempt that hangs in its handshake is given up", async (t) => {
  const { proxy } = await startBehindProxy(t);
  proxy.hangNew(["answers"]);
  const { link, told, errors } = openLink(t, proxy.url);
  await errors.until(({ length }) => length >= 2);
  t.match(errors.items, [{ message: /has not answered for 250 ms/ }]);
  t.equal(link.isUp, false);
  t.ok(proxy.count() <= 1, "what was given up is closed");
  proxy.leadAgain();
  await told.next(isUp);
  t.equal(link.isUp, true);
});

void t.test("so is one that hangs in TLS", async (t) => {
  const sockets = new Inbox<Socket>();
  const silent = createServer((socket) => {
    socket.on("error", () => undefined).resume();
    sockets.add(socket);
  }).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.teardown(() => {
    silent.close();
    for (const socket of sockets.items) socket.destroy();
  });
  const { port } = silent.address() as AddressInfo;
  openLink(t, `rediss://127.0.0.1:${port}`);
  await sockets.until(({ length }) => length >= 3);
  const [first] = sockets.items;
  if (first && !first.closed) await once(first, "close");
  t.pass("the first one is closed, and others follow");
});

void t.test("an outage is told once, however many attempts fail", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const { told, errors } = openLink(t, redis.url);
  await told.next(isUp);
  redis.kill();
  await errors.until(({ length }) => length >= 4);
  t.match(told.items, [[true], [false]]);
  t.equal(told.items.length, 2);
  await redis.restart();
  await told.next(isUp, 2);
});

void t.test("a link that is dropped again and again waits in between", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const { link, told } = openLink(t, redis.url, { timeoutMs: 5_000 });
  await told.next(isUp);
  link.drop(new Error("once"));
  await told.next(isUp, 2);
  const began = performance.now();
  link.drop(new Error("twice"));
  await told.next(isUp, 4);
  t.ok(performance.now() - began >= 500, "not at once");
  t.match(told.items[3], [false, { message: "twice" }]);
});

void t.test("an answer that came while the process was frozen has come in time", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  let isFrozen = false;
  const { link, told, errors } = openLink(t, redis.url, {
    prove: async (inTime) => {
      const proof = inTime(link.client.ping());
      if (told.items.length > 0 && !isFrozen) {
        isFrozen = true;
        // The client writes at the end of the turn.
        await new Promise(setImmediate);
        await new Promise(setImmediate);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * TIMEOUT_MS);
      }
      await proof;
      if (isFrozen) afterwards.add(undefined);
    },
  });
  const afterwards = new Inbox<undefined>();
  await afterwards.next();
  t.strictSame(errors.items, []);
  t.strictSame(told.items, [[true, undefined]]);
});

void t.test("each connection has a client of its own, and nothing of the one before", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const { link, told } = openLink(t, redis.url);
  await t.rejects(link.client.get("key"), "before the first one, commands fail at once");
  await told.next(isUp);
  const { client } = link;
  await client.subscribe("channel", () => undefined);
  const dropped = [client.get("key"), client.blPop("list", 0)];
  link.drop(new Error("for the test"));
  await Promise.allSettled(dropped).then((results) => {
    t.strictSame(results.filter(({ status }) => status === "rejected").length, 2);
  });
  await told.next(isUp, 2);
  t.not(link.client, client);
  await t.rejects(client.get("key"), "whoever keeps the old one is told");
  t.equal(await link.client.publish("channel", "nobody is there"), 0, "it subscribes to nothing");
  const refusal = await link.client
    .sendCommand(["NO-SUCH-COMMAND"])
    .catch((error: unknown) => error);
  t.equal(isReply(refusal), true, "what Redis refuses is told from what breaks");
  t.equal(link.isUp, true);
});

void t.test("it is closed in a moment, also where its connection breaks meanwhile", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const nears = new Set<Socket>();
  const server = createServer((near) => {
    nears.add(near);
    const far = connect(redis.port, "127.0.0.1");
    near.on("error", () => far.destroy());
    near.on("close", () => far.destroy());
    near.pipe(far).pipe(near);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { link, told } = openLink(t, `redis://127.0.0.1:${port}`, { timeoutMs: 60_000 });
  await told.next(isUp);
  const unanswered = link.client.blPop("nothing", 0).catch(() => "failed");
  const closed = link.close();
  // As by a Redis that is killed.
  for (const near of nears) near.resetAndDestroy();
  await closed;
  t.equal(await unanswered, "failed");
});
