import { createClient, createClientPool } from "redis";
import t from "tap";
import { connect } from "@inthon/emitter";
import { startRedis } from "../helpers/processes/redis-server.js";

void t.test("an emitter refuses database numbers: Pub/Sub has none", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const url = redis.url.replace("//", "//:s3cret@");
  const refusal = { name: "EmitterError", code: "invalid_option", message: /database number/ };
  for (const path of ["/1", "/15", "/0x1", "/1e0"]) {
    const failure = await connect(url + path).catch((error: unknown) => error);
    t.match(failure, refusal, path);
    t.notMatch(String(failure), /s3cret/);
  }
  for (const options of [{ url: `${url}/1` }, { url, database: 2 }]) {
    await t.rejects(connect(createClient(options)), refusal, "a client that was passed");
  }
  await t.rejects(connect(`${url}/name`), {
    code: "invalid_option",
    message: /must end behind its host/,
  });

  for (const path of ["", "/", "/0"]) {
    const emitter = await connect(redis.url + path);
    t.ok((await emitter.emit("lecture-1", "session_ended")).offsets.student, `"${path}" is fine`);
    await emitter.close();
  }
  const client = createClient({ url: redis.url, database: 0 });
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const emitter = await connect(client);
  t.ok((await emitter.emit("lecture-1", "session_ended")).offsets.teacher, "so is a client");
  await emitter.close();

  await client.select(1);
  await t.rejects(connect(client), refusal, "one that has selected another one since");
  const pool = createClientPool({ url: `${redis.url}/1` });
  await pool.connect();
  t.teardown(() => {
    pool.destroy();
  });
  await t.rejects(connect(pool), refusal, "a pool");
});
