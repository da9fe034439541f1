import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";
import { Inbox } from "../helpers/clients/inbox.js";

const IMPORTANT = { note: "", capture_url: null };
const PATIENCE = { timeoutMs: 30_000 };
const REFUSAL = "max number of clients";

void t.test("a Redis that has no connection left for a while is waited for", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  const server = await startServer({ env: { REDIS_URL: redis.url } });
  t.teardown(() => server.stop());
  const readiness = async () => {
    const response = await fetch(`${server.url}/readyz`);
    return { status: response.status, text: await response.text() };
  };
  await eventually(async () => (await readiness()).status === 200);
  const refusals = new Inbox<string>();
  const onError = ({ message }: Error) => {
    refusals.add(message);
  };
  const emitter = await connect(redis.url, { onError });
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const emit = () => emitter.emit(session, "important", IMPORTANT, PATIENCE);
  // From the third one on, it guesses.
  for (let i = 0; i < 3; i++) await emit();

  await admin.configSet("maxclients", "1");
  await admin.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
  await admin.sendCommand(["CLIENT", "KILL", "TYPE", "pubsub"]);
  await refusals.next((message) => message.includes(REFUSAL));
  const emitted = emit();
  const newcomersRefusals = new Inbox<string>();
  const connected = connect(redis.url, {
    connectTimeoutMs: 30_000,
    onError: ({ message }) => {
      newcomersRefusals.add(message);
    },
  });
  const early = Promise.allSettled([emitted, connected]);
  const posted = post(server.url, session, { event: "important", ...IMPORTANT });
  const seen = refusals.items.length;
  // Again and again, also for a call that has been begun since.
  await refusals.until(({ length }) => length >= seen + 2);
  await newcomersRefusals.until(({ length }) => length >= 2);
  t.ok(newcomersRefusals.items.every((message) => message.includes(REFUSAL)));
  await eventually(async () => {
    const { status, text } = await readiness();
    t.notMatch(text, "redis_denies_access");
    return status === 503;
  });
  t.match(await readiness(), { status: 503, text: /"unavailable"/ });

  await admin.configSet("maxclients", "1000");
  const [emission, newcomer] = await early;
  t.match(emission, { status: "fulfilled", value: { duplicate: false } });
  t.equal(newcomer.status, "fulfilled", "who connects meanwhile waits");
  if (newcomer.status === "fulfilled") await newcomer.value.close();
  const { status } = await posted;
  t.ok(status === 202 || status === 503, `over HTTP: ${String(status)}`);
  await eventually(async () => {
    const { status, text } = await readiness();
    t.notMatch(text, "redis_denies_access");
    return status === 200;
  });
  t.equal((await post(server.url, session, { event: "important", ...IMPORTANT })).status, 202);
  t.match(await emit(), { duplicate: false });
  t.notMatch(server.output(), "redis_denies_access");
});
