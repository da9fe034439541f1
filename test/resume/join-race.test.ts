import { randomUUID } from "node:crypto";
import fc from "fast-check";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import { parseOffset } from "@inthon/emitter/protocol";
import { startOnRedis } from "../helpers/deployments/on-redis.js";
import { Inbox } from "../helpers/clients/inbox.js";

const RACES = 2_000;
const RACES_AT_ONCE = 25;

interface Frame {
  readonly event: string;
  readonly offset: string;
  readonly like_count?: number;
}

void t.test(
  "an event in the same moment as a join is before `connected`, or comes after it",
  async (t) => {
    const { cluster } = await startOnRedis(t, { replicas: 2 });
    const emitter = await connect(cluster.redisUrl);
    t.teardown(() => emitter.close());
    const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
    t.comment(`SEED=${String(seed)}`);
    // Turns of the event loop that pass before each event and before the join; few, so that they meet.
    const races = fc.sample(
      fc.record({
        isFresh: fc.boolean(),
        joinAfter: fc.nat(40),
        publishAfter: fc.array(fc.nat(60), { minLength: 1, maxLength: 4 }),
      }),
      { numRuns: RACES, seed },
    );
    const shared = randomUUID();
    let before = 0;
    let after = 0;

    const race = async ({ isFresh, joinAfter, publishAfter }: (typeof races)[number]) => {
      // A room that nobody held before, or one that is held already: both have their own way to go wrong.
      const session = isFresh ? randomUUID() : shared;
      const frames = new Inbox<Frame>();
      const joined = turns(joinAfter).then(() => open(t, cluster.replica(1).url, session, frames));
      const published = await Promise.all(
        publishAfter.map(async (wait, i) => {
          await turns(wait);
          const { offsets } = await emitter.emit(session, "question_like_update", {
            question_id: 1,
            like_count: i,
          });
          return placeOf(offsets.student);
        }),
      );
      const socket = await joined;
      const { offset } = await frames.next(({ event }) => event === "connected");
      const start = placeOf(offset);
      const last = Math.max(...published);
      if (last > start) await frames.next((frame) => placeOf(frame.offset) >= last);
      socket.terminate();
      const got = frames.items.slice(1).map((frame) => placeOf(frame.offset));
      const isGapless = got.every((place, i) => place === start + 1 + i);
      const missed = published.filter((place) => place > start && !got.includes(place));
      if (!isGapless || missed.length > 0) {
        throw new Error(`start ${String(start)}, got ${got.join()}, published ${published.join()}`);
      }
      before += published.filter((place) => place <= start).length;
      after += published.filter((place) => place > start).length;
    };

    for (let i = 0; i < races.length; i += RACES_AT_ONCE) {
      await Promise.all(races.slice(i, i + RACES_AT_ONCE).map(race));
    }
    t.comment(`${String(before)} events before their join, ${String(after)} after it, none lost`);
    t.ok(before > 0 && after > 0, "events fell on both sides of their join");
  },
);

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

function open(t: Test, url: string, session: string, frames: Inbox<Frame>): WebSocket {
  const socket = new WebSocket(
    `${url.replace("http", "ws")}/ws/session/${session}/student/?offset=`,
  );
  socket.on("message", (data) => {
    frames.add(JSON.parse((data as Buffer).toString()) as Frame);
  });
  socket.on("error", (error) => {
    t.error(error);
  });
  return socket;
}

function placeOf(offset: string | undefined): number {
  return parseOffset(offset)?.n ?? NaN;
}
