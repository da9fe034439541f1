import { randomUUID } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createClient } from "redis";
import t from "tap";
import { connect, Emitter, EmitterError } from "@inthon/emitter";
import { ROLES } from "@inthon/emitter/protocol";
import { listenTo, testEmitterContract } from "./helpers/emitter-contract.js";
import { failureOf, TARGETS } from "./helpers/emitter-targets.js";
import { freePort } from "../helpers/processes/ports.js";
import {
  NO_OPTIONS,
  UNREADABLE_PAYLOADS,
  WRONG_LISTS,
  WRONG_OPTIONS,
} from "../helpers/samples/wrong-events.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";

// Each target has processes of its own, and mostly waits for them.
t.jobs = 2;

for (const { name, start } of TARGETS) {
  void t.test(`the emitter, connected to ${name}`, async (t) => {
    const target = await start();
    t.teardown(() => target.stop());
    await testEmitterContract(t, target);
  });
}

void t.test("a Redis history holds no more than it may, and all of it expires", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const server = await startServer({ env: { REDIS_URL: redis.url } });
  t.teardown(() => server.stop());
  const emitter = await connect(new URL(redis.url), { historyLimit: 10, historyTtlS: 60 });
  t.teardown(() => emitter.close());
  const client = createClient({ url: redis.url });
  await client.connect();
  t.teardown(() => client.close());

  const session = randomUUID();
  await Promise.all(ROLES.map((role) => listenTo(t, { url: server.url, session, role, emitter })));
  for (let i = 0; i < 25; i++) await emitter.emit(session, "hard_alert", { capture_url: null });
  const keys = await client.keys("*");
  const histories = keys.filter((key) => key.startsWith("history:"));
  t.same(
    histories.sort(),
    ["student", "teacher"].map((role) => `history:{socket.io#/#session_${session}_${role}#}`),
  );
  for (const key of histories) {
    t.equal(await client.xLen(key), 10);
    const ttl = await client.pTTL(key);
    t.ok(ttl > 0 && ttl <= 60_000, `${key} expires in ${String(ttl)} ms`);
  }
  t.ok(keys.some((key) => key.startsWith("inthon:")));
  for (const key of keys.filter((key) => /^(inthon|history):/.test(key))) {
    t.ok((await client.pTTL(key)) > 0, `${key} expires`);
  }
  const strange = keys.filter((key) => !/^(inthon:|history:|session:[^:]+:teachers$)/.test(key));
  t.strictSame(strange, [], "no key has another name");
});

void t.test("a server with publish keys is only open to who has one", async (t) => {
  const server = await startServer({ env: { PUBLISH_KEYS: "first-key-of-two,second-key-of-two" } });
  t.teardown(() => server.stop());
  for (const key of [
    undefined,
    "first",
    "first-key-of-two,second-key-of-two",
    "FIRST-KEY-OF-TWO",
  ]) {
    const emitter = await connect(server.url, key === undefined ? {} : { key });
    const failure = await failureOf(emitter.emit(randomUUID(), "session_ended"));
    t.match(failure, { code: "unauthorized", retryable: false }, String(key));
    await emitter.close();
  }
  for (const key of ["first-key-of-two", "second-key-of-two"]) {
    const emitter = await connect(`${server.url}/`, { key });
    t.match(await emitter.emit(randomUUID(), "session_ended"), { duplicate: false });
    await emitter.close();
  }
});

void t.test("an option that there is not is told, with the one that may be meant", async (t) => {
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ historylimit: 10 }, /^connect has no option "historylimit": is historyLimit meant\?$/],
    [{ waitReplica: 1 }, /is waitReplicas meant\?$/],
    [{ linkTimeout: 1_000 }, /is linkTimeoutMs meant\?$/],
    [{ onerror: () => undefined }, /is onError meant\?$/],
    [{ password: "s3cret" }, /^connect has no option "password": there are key, historyLimit, /],
    [{ __proto__: { ttl: 1 } }, /^connect has no option "ttl"/],
  ];
  for (const [options, message] of cases) {
    for (const target of ["redis://127.0.0.1:1", "http://127.0.0.1:1", createClient()]) {
      const failure: unknown = await connect(target, options).catch((error: unknown) => error);
      t.match(failure, { code: "invalid_option", message });
      t.notMatch(String(failure), "s3cret");
    }
  }
  const emitter = await connect("http://127.0.0.1:1");
  const loose: { emit(...args: unknown[]): Promise<unknown> } = emitter as never;
  await t.rejects(loose.emit("lecture-1", "session_ended", {}, { idempotencykey: "k" }), {
    code: "invalid_option",
    message: 'emit has no option "idempotencykey": is idempotencyKey meant?',
  });
});

void t.test(
  "whatever the arguments are, it is an EmitterError, which says what to do",
  async (t) => {
    const emitter = await connect("http://127.0.0.1:1");
    t.teardown(() => emitter.close());
    const loose = {
      emit: emitter.emit.bind(emitter) as unknown as Loose,
      emitAll: emitter.emitAll.bind(emitter) as unknown as Loose,
      emitParsed: emitter.emitParsed.bind(emitter) as unknown as Loose,
    };
    const isTold = async (call: Promise<unknown>, code: string, what: string) => {
      const failure: unknown = await call.catch((error: unknown) => error);
      t.match(failure, { name: "EmitterError", code, retryable: false }, what);
      t.match(
        (failure as Error).message,
        /must|give|is missing|is 1 to|is an? |leave|meant|there are|begins with|has a/,
        what,
      );
    };
    for (const [index, [args, code]] of WRONG_LISTS.entries()) {
      await isTold(loose.emitAll(...args), code, `emitAll, ${String(index)}`);
    }
    for (const events of [undefined, null, {}, "text"]) {
      await isTold(loose.emitParsed("lecture-1", events), "invalid_event", "emitParsed");
    }
    for (const [index, payload] of UNREADABLE_PAYLOADS.entries()) {
      const what = `a payload, ${String(index)}`;
      await isTold(loose.emit("lecture-1", "important", payload), "invalid_event", what);
    }
    for (const name of [undefined, null, 7, Symbol("important"), {}, []]) {
      await isTold(loose.emit("lecture-1", name, {}), "invalid_event", "a name");
    }
    for (const [index, options] of [...NO_OPTIONS, ...WRONG_OPTIONS].entries()) {
      const what = `options, ${String(index)}`;
      await isTold(loose.emit("lecture-1", "session_ended", {}, options), "invalid_option", what);
      const events = [{ event: "session_ended" }];
      await isTold(loose.emitAll("lecture-1", events, options), "invalid_option", what);
    }
    const looseConnect = connect as unknown as Loose;
    const throwing = {
      get historyLimit() {
        throw new TypeError("a getter's own");
      },
    };
    const wrongOptions = [
      ...[...NO_OPTIONS, throwing, { historyLimit: Symbol("1") }, { historyLimit: 1n }],
      ...[{ onError: 5 }, { onError: null }, { key: Symbol("key") }, { connectTimeoutMs: {} }],
    ];
    for (const target of ["http://127.0.0.1:1", "redis://127.0.0.1:1"]) {
      for (const [index, options] of wrongOptions.entries()) {
        await isTold(looseConnect(target, options), "invalid_option", `connect, ${String(index)}`);
      }
    }
    const tls = [null, 5, "text", [], { ca: 5 }, { cert: {}, key: {} }, { ca: Symbol("ca") }];
    for (const [index, one] of tls.entries()) {
      const call = looseConnect("rediss://127.0.0.1:1", { tls: one });
      await isTold(call, "invalid_option", `tls, ${String(index)}`);
    }
    const bare: unknown = Object.create(null);
    const targets = [
      ...[undefined, null, 7, true, Symbol("target"), 1n, () => undefined, bare, [], {}],
      Object.defineProperty({}, "then", { get: raise }),
      new Proxy({}, { has: () => raise() }),
      { eval: () => undefined, evalSha: () => undefined, clientInfo: () => raise() },
    ];
    for (const [index, target] of targets.entries()) {
      await isTold(looseConnect(target), "invalid_option", `a target, ${String(index)}`);
    }
  },
);

/** As callers in JavaScript see it. */
type Loose = (...args: readonly unknown[]) => Promise<unknown>;

function raise(): never {
  throw new TypeError("somebody's own");
}

void t.test("connect says what is wrong with its target", async (t) => {
  const port = String(await freePort());
  const wrong: readonly Parameters<typeof connect>[] = [
    ["localhost:6379"],
    [""],
    ["redis//s3cret@localhost"],
    ["ftp://s3cret@localhost"],
    ["redis+unknown://s3cret@localhost"],
    [new URL("ws://s3cret@localhost")],
    ["redis://:s3cret@localhost/database"],
    ["redis://:s3cret%zz@localhost"],
    ...[0, -1, 1.5, NaN, Infinity].flatMap((number): Parameters<typeof connect>[] => [
      [`redis://127.0.0.1:${port}`, { historyLimit: number }],
      [`redis://127.0.0.1:${port}`, { historyTtlS: number }],
      [`redis://127.0.0.1:${port}`, { connectTimeoutMs: number }],
    ]),
  ];
  for (const args of wrong) {
    const error: unknown = await connect(...args).catch((reason: unknown) => reason);
    const what = JSON.stringify(args);
    t.match(error, { name: "EmitterError", code: "invalid_option", retryable: false }, what);
    t.notMatch(String(error), "s3cret", what);
  }

  const errors: Error[] = [];
  const options = { connectTimeoutMs: 3_000, onError: (error: Error) => void errors.push(error) };
  const dead = connect(`redis://127.0.0.1:${port}`, options);
  t.match(await failureOf(dead), { code: "unavailable", retryable: true });
  t.match(errors[0], /ECONNREFUSED/);
  const http = await connect(`http://127.0.0.1:${port}`);
  const lost = http.emit(randomUUID(), "session_ended", {}, { timeoutMs: 300 });
  t.match(await failureOf(lost), { code: "unavailable", retryable: true });
});

void t.test("a call gives up in time although memory is collected while it waits", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // A Redis that hangs: nothing but the time limit ends the wait.
  const hanging = {
    publish: () => new Promise<never>(() => undefined),
    close: async () => undefined,
  };
  const emitter = new Emitter(hanging);
  const calls = Array.from({ length: 20 }, () =>
    emitter.emit("lecture", "session_ended", {}, { timeoutMs: 200 }),
  );
  const collecting = setInterval(collect, 20);
  t.teardown(() => {
    clearInterval(collecting);
  });
  for (const result of await Promise.allSettled(calls)) {
    t.equal(result.status, "rejected");
    if (result.status !== "rejected") continue;
    t.ok(result.reason instanceof EmitterError);
    t.match(result.reason, { code: "unavailable", retryable: true });
  }
});
