import { randomInt } from "node:crypto";
import fc from "fast-check";
import { createClient } from "redis";
import t, { type Test } from "tap";
import { oneRedis, RedisPublisher, type Publication, type PublishResult } from "@inthon/emitter";
import {
  announcedKey,
  historyKey,
  parseOffset,
  ROLES,
  roomName,
  type RoomName,
} from "@inthon/emitter/protocol";
import { MemoryBroker } from "../../server/dist/cluster/memory/broker.js";
import { FlakyCommands, type Fate } from "./helpers/flaky-commands.js";
import { Maker, SESSIONS, step, turn, type Call, type Step } from "./helpers/random-schedule.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { RoomWatch } from "../helpers/room-watch.js";

/** To run the schedules of another run: FC_SEED=<its seed>. */
const SEED = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));
const RUNS = 60;
const HISTORY_LIMIT = 40;
const ROOMS = SESSIONS.flatMap((session) => ROLES.map((role) => roomName(session, role)));
const nothing = () => Promise.resolve();

async function start(t: Test) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const client = createClient({ url: redis.url });
  await client.connect();
  const watch = await RoomWatch.start(redis.url);
  t.teardown(() => {
    client.destroy();
    watch.stop();
  });
  t.comment(`FC_SEED=${String(SEED)}`);
  return { client, watch };
}

/** A result without the epoch, which differs from one history to the next. */
function placesOf({ offsets, duplicate }: PublishResult) {
  return { ...mapValues(offsets, (offset) => parseOffset(offset)?.n), duplicate };
}

function pick(publishers: readonly RedisPublisher[], index: number): RedisPublisher {
  const publisher = publishers[index];
  if (!publisher) throw new Error(`there is no publisher ${String(index)}`);
  return publisher;
}

function mapValues<T, U>(object: Readonly<Record<string, T>>, map: (value: T) => U) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
}

void t.test("publishing in batches comes to the same as one event after the other", async (t) => {
  const { client, watch } = await start(t);
  const limits = { historyLimit: HISTORY_LIMIT, historyMaxBytes: 4_194_304, historyTtlMs: 60_000 };

  const run = async (steps: readonly Step[]) => {
    await client.flushAll();
    await watch.delivered();
    const maker = new Maker();
    // Two, so that each guesses wrong where the other has published.
    const publishers = [1, 2].map(
      () => new RedisPublisher(oneRedis({ commands: client }), limits, nothing),
    );
    const expected = new Map<RoomName, string[]>(ROOMS.map((room) => [room, []]));
    const begin = async () => {
      const model = new MemoryBroker(limits);
      for (const [room, told] of expected) {
        await model.subscribe(room, ({ event, position }) => {
          told.push(`${String(position.n)} ${JSON.stringify(event)}`);
        });
      }
      return model;
    };
    let model = await begin();
    const publish = async (publisher: number, calls: readonly Call[]) => {
      const made = calls.map((call) => {
        const publications = maker.make(call);
        maker.settle();
        return publications;
      });
      const results = await Promise.all(
        made.map((publications) => pick(publishers, publisher).publish(publications)),
      );
      for (const [i, publications] of made.entries()) {
        const same = await model.publish(publications);
        if (JSON.stringify(results[i]?.map(placesOf)) === JSON.stringify(same.map(placesOf)))
          continue;
        throw new Error(
          `${JSON.stringify(publications)} got ${JSON.stringify(results[i])}, not ${JSON.stringify(same)}`,
        );
      }
    };
    for (const step of steps) {
      if (step.kind === "turn") await publish(step.publisher, step.calls);
      else if (step.kind === "forget scripts") await client.scriptFlush();
      else {
        if (step.kind === "forget all") await client.flushDb();
        else await client.del(ROOMS.flatMap((room) => [historyKey(room), announcedKey(room)]));
        await model.close();
        model = await begin();
      }
    }

    const delivered = await watch.delivered();
    for (const room of ROOMS) {
      const deliveries = delivered.get(room) ?? [];
      const got = deliveries.map(({ offset, json }) => `${String(parseOffset(offset)?.n)} ${json}`);
      const want = expected.get(room) ?? [];
      if (got.join("\n") !== want.join("\n")) {
        throw new Error(`${room} was told\n${got.join("\n")}\nnot\n${want.join("\n")}`);
      }
      const history = await watch.history(room);
      // Not by the epoch: two histories may begin in one millisecond.
      const begin = deliveries.findLastIndex(({ offset }) => parseOffset(offset)?.n === 1);
      const newest = deliveries.slice(Math.max(begin, 0)).slice(-HISTORY_LIMIT);
      if (history.length > 0 && JSON.stringify(history) !== JSON.stringify(newest)) {
        throw new Error(`${room} remembers ${JSON.stringify(history)}`);
      }
    }
    await model.close();
  };
  const schedules = fc.array(step, { minLength: 3, maxLength: 25 });
  await fc.assert(fc.asyncProperty(schedules, run), {
    numRuns: RUNS,
    seed: SEED,
    includeErrorInReport: true,
    endOnFailure: true,
  });
  t.pass();
});

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fate>("answered") },
  { weight: 2, arbitrary: fc.constant<Fate>("never sent") },
  { weight: 2, arbitrary: fc.constant<Fate>("answer lost") },
  { weight: 1, arbitrary: fc.constant<Fate>("script unknown") },
);

void t.test("retries double nothing, lose nothing and keep the order of arrays", async (t) => {
  const { client, watch } = await start(t);
  const limits = { historyLimit: 100_000, historyMaxBytes: 4_194_304, historyTtlMs: 60_000 };

  interface Outcome {
    readonly publications: readonly Publication[];
    readonly results: readonly PublishResult[];
  }

  const run = async (steps: readonly (Extract<Step, { kind: "turn" }> & { fates: Fate[] })[]) => {
    await client.flushAll();
    await watch.delivered();
    const maker = new Maker();
    const commands = new FlakyCommands(client);
    const publishers = [1, 2].map(
      () => new RedisPublisher(oneRedis({ commands }), limits, nothing),
    );
    const untilPublished = async (publisher: number, publications: readonly Publication[]) => {
      for (;;) {
        // As the emitter does it: the same publications again.
        const results = await pick(publishers, publisher)
          .publish(publications)
          .catch(() => undefined);
        if (results) return { publications, results };
      }
    };
    const outcomes: Outcome[] = [];
    for (const { publisher, calls, fates } of steps) {
      commands.plan.push(...fates);
      const made = calls.map((call) => maker.make(call));
      maker.settle();
      outcomes.push(...(await Promise.all(made.map((all) => untilPublished(publisher, all)))));
    }

    const delivered = await watch.delivered();
    for (const session of SESSIONS) {
      for (const role of ROLES) {
        const room = roomName(session, role);
        const deliveries = delivered.get(room) ?? [];
        const fault = (what: string) =>
          new Error(`${room}: ${what}\n${deliveries.map(({ json }) => json).join("\n")}`);
        deliveries.forEach(({ offset }, i) => {
          if (parseOffset(offset)?.n !== i + 1) throw fault(`${offset} after ${String(i)}`);
        });
        if (JSON.stringify(await watch.history(room)) !== JSON.stringify(deliveries)) {
          throw fault("remembers something else");
        }
        const placeOf = new Map<string, string>();
        for (const { publications, results } of outcomes) {
          let last = 0;
          for (const [i, { idempotencyKey, isNew, version, sessionId }] of publications.entries()) {
            const offset = results[i]?.offsets[role];
            if (sessionId !== session || version !== undefined || offset === undefined) continue;
            if (offset !== (placeOf.get(idempotencyKey) ?? offset)) {
              throw fault(`${idempotencyKey} is at ${offset} and elsewhere`);
            }
            placeOf.set(idempotencyKey, offset);
            const n = parseOffset(offset)?.n ?? 0;
            if (isNew !== true) continue;
            if (n <= last) throw fault(`${idempotencyKey} at ${offset} is not in its place`);
            const json = JSON.stringify(publications[i]?.event);
            if (deliveries[n - 1]?.json !== json) throw fault(`${json} is not at ${offset}`);
            last = n;
          }
        }
        const published = new Set(placeOf.values()).size;
        const announced = deliveries.filter(({ json }) => json.includes("teacher_presence"));
        if (published + announced.length !== deliveries.length) {
          throw fault(`${String(published)} events have an offset`);
        }
      }
    }
  };
  const fates = fc.array(fate, { maxLength: 12 });
  const flakyTurn = fc.tuple(turn, fates).map(([step, fates]) => ({ ...step, fates }));
  const schedules = fc.array(flakyTurn, { minLength: 1, maxLength: 12 });
  await fc.assert(fc.asyncProperty(schedules, run), {
    numRuns: RUNS,
    seed: SEED,
    includeErrorInReport: true,
    endOnFailure: true,
  });
  t.pass();
});
