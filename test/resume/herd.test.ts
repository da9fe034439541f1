import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createClient } from "redis";
import t from "tap";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import { commandCounts, commandsBetween } from "../helpers/command-stats.js";
import { startCluster } from "../helpers/processes/cluster.js";

/** `HERD=10000 npm test -- test/herd.test.ts` runs it at the size that the design names. */
const HERD = Number(process.env["HERD"] ?? 1_000);
const MISSED = 20;
const CONNECTING_AT_ONCE = 250;

interface Frame {
  readonly event: string;
  readonly offset: string;
  readonly like_count?: number;
}

void t.test(`${String(HERD)} clients that come back together cost Redis one read`, async (t) => {
  // No lease is renewed meanwhile, and nothing checked with it: that is not what is counted.
  const cluster = await startCluster({ replicas: 2, env: { LEASE_MS: "300000" } });
  t.teardown(() => cluster.stop());
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const redis = createClient({ url: cluster.redisUrl });
  await redis.connect();
  t.teardown(() => {
    redis.destroy();
  });
  const session = randomUUID();
  const like = (like_count: number) =>
    emitter.emit(session, "question_like_update", { question_id: 1, like_count });

  const first = await Promise.all(
    (await crowd(cluster.replica(0).url, session, "")).map(async (member) => {
      const [{ offset } = { offset: "" }] = await member.frames(1);
      return { member, offset };
    }),
  );
  await Promise.all(first.map(({ member }) => member.leave()));
  for (let i = 0; i < MISSED; i++) await like(i);

  const before = await commandCounts(redis);
  const back = await crowd(cluster.replica(1).url, session, first[0]?.offset ?? "");
  const heard = await Promise.all(back.map((member) => member.frames(1 + MISSED)));
  const after = await commandCounts(redis);
  await Promise.all(back.map((member) => member.leave()));

  const expected = Array.from({ length: MISSED }, (_, i) => i);
  const wrong = heard.filter(
    (frames) =>
      frames
        .slice(1)
        .map(({ like_count }) => like_count)
        .join() !== expected.join(),
  );
  t.strictSame(wrong, [], "each of them got exactly what it missed");

  const cost = commandsBetween(before, after);
  t.comment(
    `commands for ${String(HERD)} clients: ${[...cost].map((pair) => pair.join(" ")).join(", ")}`,
  );
  const calls = (command: string) => cost.get(command) ?? 0;
  t.equal(calls("subscribe"), 1);
  // Twice where the replica, new to the cluster, checks what its students believe.
  t.ok(calls("scard") <= 2 && calls("get") <= 4, "the teacher is asked for once");
  t.ok(calls("xrange") <= 3, "history is read once: the head, and what was missed");
});

interface Member {
  frames(count: number): Promise<Frame[]>;
  leave(): Promise<void>;
}

async function crowd(url: string, session: string, offset: string): Promise<Member[]> {
  const members: Member[] = [];
  while (members.length < HERD) {
    const size = Math.min(CONNECTING_AT_ONCE, HERD - members.length);
    members.push(
      ...(await Promise.all(Array.from({ length: size }, () => enter(url, session, offset)))),
    );
  }
  return members;
}

async function enter(url: string, session: string, offset: string): Promise<Member> {
  const socket = new WebSocket(
    `${url.replace("http", "ws")}/ws/session/${session}/student/?offset=${offset}`,
  );
  const frames: Frame[] = [];
  let onFrame = (): void => undefined;
  socket.on("message", (data) => {
    frames.push(JSON.parse((data as Buffer).toString()) as Frame);
    onFrame();
  });
  await once(socket, "open");
  return {
    frames: (count) =>
      new Promise((resolve) => {
        onFrame = () => {
          if (frames.length >= count) resolve(frames);
        };
        onFrame();
      }),
    leave: async () => {
      const closed = once(socket, "close");
      socket.terminate();
      await closed;
    },
  };
}
