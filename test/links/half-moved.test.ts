import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { CLIENT_KINDS, join } from "../helpers/clients/clients.js";
import { commandCounts } from "../helpers/command-stats.js";
import { eventually } from "../helpers/eventually.js";
import { replicated, type RedisServer, startRedis } from "../helpers/processes/redis-server.js";
import { adminOf } from "../helpers/processes/redis-users.js";
import { startServer } from "../helpers/processes/server-process.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";

/** A replica copies its primary at once. */
const AT_ONCE = { args: ["--repl-diskless-sync-delay", "0"] };
/** Longer than this test: nothing is noticed by a deadline. */
const LINK_TIMEOUT_MS = "60000";

async function startOne(t: Test) {
  const redis = await startRedis(AT_ONCE);
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  const follow = async ({ port }: RedisServer) => {
    await admin.sendCommand(["REPLICAOF", "127.0.0.1", String(port)]);
    await eventually(async () =>
      (await admin.info("replication")).includes("master_link_status:up"),
    );
  };
  return { redis, admin, follow };
}

void t.test(
  "what is published while the subscriptions are still with the old primary is heard",
  async (t) => {
    const [old, next] = [await startOne(t), await startOne(t)];
    await next.follow(old.redis);
    const name = await startTcpProxy(old.redis.port);
    t.teardown(() => name.stop());
    const server = await startServer({
      env: {
        ...{ REDIS_URL: name.url, REDIS_LINK_TIMEOUT_MS: LINK_TIMEOUT_MS },
        LEASE_MS: "300000",
      },
    });
    t.teardown(() => server.stop());
    const session = randomUUID();
    const students = await Promise.all(
      CLIENT_KINDS.map((kind) => join({ url: server.url, session, role: "student", kind })),
    );
    t.teardown(() => Promise.all(students.map((student) => student.close())));
    const say = async (note: string, { redis: { url } }: typeof old) => {
      const emitter = await connect(url);
      await emitter.emit(session, "important", { note, capture_url: null });
      await emitter.close();
    };
    const hear = (note: string) =>
      Promise.all(students.map(({ inbox }) => inbox.next(({ object }) => object["note"] === note)));
    await say("before", old);
    await hear("before");
    await replicated(old.admin, next.admin);

    await next.admin.sendCommand(["REPLICAOF", "NO", "ONE"]);
    // What it alone has: when it follows, it has to copy all, and hears no command that came before.
    await old.admin.set("its own", "");
    name.leadTo(next.redis.port);
    name.cut("commands");
    // The replica has read there what it may have missed: what comes now it must hear.
    await eventually(async () => ((await commandCounts(next.admin)).get("xrange") ?? 0) > 0);
    await say("between", next);
    // From now on the old one passes on what the new one is told to publish.
    await old.follow(next.redis);
    await hear("between");
    await say("after", next);
    await hear("after");
    for (const { inbox, kind } of students) {
      t.strictSame(
        inbox.items.slice(1).map(({ object }) => object["note"]),
        ["before", "between", "after"],
        `${kind}: each once, in order`,
      );
    }
    const listened = await old.admin.sendCommand<string[]>(["PUBSUB", "CHANNELS"]);
    t.strictSame(listened, [], "nobody listens to the old one");
  },
);
