import { createClient } from "redis";
import t from "tap";
import { startRedis } from "../helpers/processes/redis-server.js";
import { LuaScripts } from "./redis/lua.js";
import { RedisServer } from "./redis/redis-server.js";
import { Double, ErrorReply, FlatMap, Status, type Reply } from "./redis/replies.js";
import { randomCall } from "./redis/random-call.js";
import { Random } from "./world/random.js";

const SEEDS = 16;
const CALLS = 250;

/** As a client of the `redis` package has it, in RESP2. */
function plain(reply: Reply | undefined): unknown {
  if (reply instanceof Status) return reply.text;
  if (reply instanceof Double) return reply.text;
  if (reply instanceof FlatMap) return reply.entries.map(plain);
  if (reply instanceof ErrorReply) return `error ${kindOf(reply.message)}`;
  if (Array.isArray(reply)) return (reply as readonly Reply[]).map(plain);
  return reply;
}

/** Redis's own words differ from release to release; its code does not. */
function kindOf(message: string): string {
  return message.split(" ")[0] ?? "";
}

/** A set has no order. */
function sorted(words: readonly string[], reply: unknown): unknown {
  const isSet = /^(SMEMBERS|SSCAN)$/i.test(words[0] ?? "");
  const members = isSet && Array.isArray(reply) ? (reply as unknown[]) : undefined;
  if (!members) return reply;
  return words[0] === "SSCAN"
    ? [members[0], (members[1] as string[]).toSorted()]
    : (members as string[]).toSorted();
}

void t.test(
  "the model answers what Redis answers, on random calls, alone and in scripts",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const client = createClient({ url: redis.url, RESP: 2 });
    await client.connect();
    t.teardown(() => {
      client.destroy();
    });
    const scripts = await LuaScripts.load();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      await client.flushAll();
      const observer = {
        onPublish: () => undefined,
        onAppend: () => undefined,
        onScriptFault: () => undefined,
      };
      const model = new RedisServer("model", () => Date.now(), random.fork(), scripts, observer);
      const subscriber = {
        channels: new Set<string>(),
        push: () => undefined,
        message: () => undefined,
      };
      const told: string[] = [];
      for (let i = 0; i < CALLS; i++) {
        const words = randomCall(random);
        const theirs = sorted(
          words,
          await client.sendCommand([...words]).catch((error: unknown) => {
            return `error ${kindOf(error instanceof Error ? error.message : "")}`;
          }),
        );
        const ours = sorted(words, plain(model.execute(words, subscriber)));
        told.push(
          `${words.slice(words[0] === "EVAL" ? 3 : 0).join(" ")} -> ${JSON.stringify(theirs)}`,
        );
        if (JSON.stringify(ours) === JSON.stringify(theirs)) continue;
        t.fail(`seed ${String(seed)}: ${JSON.stringify(ours)} after\n${told.slice(-8).join("\n")}`);
        return;
      }
    }
    t.pass(`${String(SEEDS * CALLS)} calls`);
  },
);
