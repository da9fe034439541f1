import { createClient } from "redis";
import t from "tap";
import { connect } from "@inthon/emitter";
import { epochsKey, roomName, type SessionId } from "@inthon/emitter/protocol";
import { startRedis } from "../helpers/processes/redis-server.js";

void t.test(
  "a repetition is answered also where Redis has evicted the epochs of the history alone",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const client = createClient({ url: redis.url });
    await client.connect();
    t.teardown(() => {
      client.destroy();
    });
    const emitter = await connect(redis.url);
    t.teardown(() => emitter.close());
    const emit = () =>
      emitter.emit("evicted", "question_intent", { question_id: 1 }, { idempotencyKey: "once" });

    const first = await emit();
    await client.del(epochsKey(roomName("evicted" as SessionId, "teacher")));

    t.same(await emit(), { ...first, duplicate: true });
    // Another epoch begins, behind what was given before.
    const next = await emitter.emit("evicted", "question_intent", { question_id: 2 });
    t.match(next.offsets.teacher, /^\d+-2$/);
    t.same(await emit(), { ...first, duplicate: true });
    // And they go again: that there was an earlier one is known by the history alone.
    await client.del(epochsKey(roomName("evicted" as SessionId, "teacher")));
    t.same(await emit(), { ...first, duplicate: true });
  },
);
