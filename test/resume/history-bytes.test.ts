import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { historyKey, roomName, type SessionId } from "@inthon/emitter/protocol";
import { post } from "../helpers/processes/environments.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";

const EVENTS = 100;

interface Page {
  readonly head: string;
  readonly complete: boolean;
  readonly events: readonly {
    readonly offset: string;
    readonly event: { readonly note: string };
  }[];
}

const bytesOf = ({ events }: Page) =>
  events.reduce((sum, { event }) => sum + Buffer.byteLength(JSON.stringify(event)), 0);

for (const kind of ["redis", "memory"] as const) {
  const start = async (t: Test, env: Record<string, string>) => {
    const redis = kind === "redis" ? await startRedis() : undefined;
    if (redis) t.teardown(() => redis.stop());
    const server = await startServer({ env: { ...env, ...(redis && { REDIS_URL: redis.url }) } });
    t.teardown(() => server.stop());
    const session = randomUUID();
    for (let i = 0; i < EVENTS; i++) {
      const note = `${String(i)} ${"가".repeat(1_300)}`;
      await post(server.url, session, { event: "important", note, capture_url: null });
    }
    return async (after = ""): Promise<Page> => {
      const url = `${server.url}/sessions/${session}/events?role=student&limit=1000${after}`;
      return (await (await fetch(url)).json()) as Page;
    };
  };

  void t.test(`a history is bounded in bytes (${kind})`, async (t) => {
    const read = await start(t, { HISTORY_MAX_BYTES: "65536" });
    const page = await read();
    t.equal(page.complete, false);
    t.ok(bytesOf(page) <= 65_536 && bytesOf(page) > 43_000, `${String(bytesOf(page))} bytes`);
    t.match(page.events.at(-1)?.event.note, /^99 /, "the newest are kept");
    t.equal(page.events.at(-1)?.offset, page.head);
    const lost = await read(`&after=${page.head.replace(/-\d+$/, "-1")}`);
    t.equal(lost.complete, false, "what is gone is told");
  });

  void t.test(`a page over HTTP is bounded in bytes, and read on from (${kind})`, async (t) => {
    const read = await start(t, { HISTORY_PAGE_BYTES: "65536" });
    const notes: string[] = [];
    let pages = 0;
    for (let after = ""; ; pages++) {
      const page = await read(after);
      t.ok(bytesOf(page) <= 65_536, `${String(bytesOf(page))} bytes`);
      t.equal(page.complete, true);
      notes.push(...page.events.map(({ event }) => event.note.split(" ")[0] ?? ""));
      const last = page.events.at(-1)?.offset ?? "";
      if (last === page.head) break;
      after = `&after=${last}`;
    }
    t.ok(pages > 3, `${String(pages)} pages`);
    t.strictSame(
      notes,
      Array.from({ length: EVENTS }, (_, i) => String(i)),
    );
  });
}

void t.test("whatever events are published, a history is bounded in both", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const client = createClient({ url: redis.url });
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  const [historyLimit, historyMaxBytes] = [20, 20_000];
  const emitter = await connect(redis.url, { historyLimit, historyMaxBytes });
  t.teardown(() => emitter.close());
  const publishAll = async (sizes: readonly number[]) => {
    const session = randomUUID();
    const key = historyKey(roomName(session as SessionId, "student"));
    let kept: number[] = [];
    for (const size of sizes) {
      await emitter.emit(session, "important", { note: "x".repeat(size), capture_url: null });
      const entries = (await client.xRange(key, "-", "+")) ?? [];
      kept = entries.map(({ message }) => Buffer.byteLength(message["event"] ?? ""));
      const bytes = kept.reduce((sum, it) => sum + it, 0);
      if (kept.length === 0 || kept.length > historyLimit) return `${String(kept.length)} events`;
      if (bytes > historyMaxBytes && size < 30_000) return `${String(bytes)} bytes`;
    }
    return kept;
  };
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  t.comment(`SEED=${String(seed)}`);
  const size = fc.oneof(fc.nat(200), fc.nat(2_000), fc.nat(13_000));
  for (const sizes of fc.sample(fc.array(size, { minLength: 20, maxLength: 60 }), {
    numRuns: 40,
    seed,
  })) {
    const kept = await publishAll(sizes);
    if (typeof kept === "string") t.fail(kept, { sizes });
  }
  const huge = await publishAll([500, 30_000]);
  t.ok(typeof huge !== "string" && (huge.at(-1) ?? 0) > 30_000, "the newest is kept in any case");
  const alike = await publishAll(Array.from({ length: 40 }, () => 880));
  t.equal(alike.length, historyLimit, "of events that fit all are kept");
  const light = await publishAll(Array.from({ length: 40 }, () => 10));
  t.equal(light.length, historyLimit);
});
