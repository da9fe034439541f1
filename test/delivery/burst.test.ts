import { randomInt, randomUUID } from "node:crypto";
import fc from "fast-check";
import t, { type Test } from "tap";
import { parseOffset } from "@inthon/emitter/protocol";
import { CLIENT_KINDS, join, type Client } from "../helpers/clients/clients.js";
import { ENVIRONMENTS, type Environment } from "../helpers/processes/environments.js";

/** To run the schedules of another run: FC_SEED=<its seed>. */
const SEED = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));
const ROUNDS = 4;

const turnsToWait = fc.oneof(fc.nat(10), fc.nat(120));

const visit = fc.record({
  kind: fc.constantFrom(...CLIENT_KINDS),
  replica: fc.nat(2),
  joinAfter: turnsToWait,
  /** It pings as often, with so many turns before each. */
  pings: fc.array(fc.nat(20), { maxLength: 4 }),
  leaveAfter: fc.option(fc.nat(60)),
});

const round = fc.record({
  visits: fc.array(visit, { minLength: 12, maxLength: 24 }),
  /** Events that are published without waiting, with so many turns of the event loop after them. */
  bursts: fc.array(fc.record({ size: fc.integer({ min: 1, max: 60 }), pause: fc.nat(25) }), {
    minLength: 6,
    maxLength: 14,
  }),
});

type Visit = typeof visit extends fc.Arbitrary<infer T> ? T : never;
type Round = typeof round extends fc.Arbitrary<infer T> ? T : never;

for (const { name, start } of ENVIRONMENTS) {
  void t.test(
    `bursts reach all who come, ping, upgrade and leave meanwhile, with ${name}`,
    async (t) => {
      const environment = await start();
      t.teardown(() => environment.stop());
      t.comment(`FC_SEED=${String(SEED)}`);
      const rounds = fc.sample(round, { numRuns: ROUNDS, seed: SEED });
      const counts: Counts = { before: 0, told: 0, left: 0 };
      for (const round of rounds) await play(t, environment, round, counts);
      t.comment(JSON.stringify(counts));
      t.ok(counts.before > 0 && counts.told > 0, "clients came in the middle of it");
      t.ok(counts.left > 0, "and left in the middle of it");
    },
  );
}

interface Counts {
  before: number;
  told: number;
  left: number;
}

async function play(t: Test, environment: Environment, round: Round, counts: Counts) {
  const { urls } = environment;
  const session = randomUUID();

  const publishing = publish(environment, session, round.bursts);
  const attend = async ({ kind, replica, joinAfter, pings: asked, leaveAfter }: Visit) => {
    const pings = kind === "event-stream" ? [] : asked;
    await turns(joinAfter);
    const url = urls[replica % urls.length] ?? "";
    const client = await join({ url, session, role: "student", kind, wantsOffsets: true });
    t.teardown(() => client.close());
    for (const wait of pings) {
      await turns(wait);
      client.ping();
    }
    if (leaveAfter !== null) {
      await turns(leaveAfter);
      await client.close();
      return { client, pings: 0, stays: false };
    }
    const { last } = await publishing;
    await client.inbox.until((items) => {
      const [connected] = items;
      if (
        placeOf(connected?.offset) < last &&
        !items.some(({ offset }) => placeOf(offset) === last)
      )
        return false;
      return items.filter(({ event }) => event === "pong").length >= pings.length;
    });
    return { client, pings: pings.length, stays: true };
  };

  const attending = Promise.all(round.visits.map(attend));
  const { published, last } = await publishing;
  for (const { client, pings, stays } of await attending) {
    const fault = judge(client, { published, pings, last: stays ? last : undefined });
    if (fault !== undefined) t.fail(`${client.kind}: ${fault}`);
    const [connected, ...rest] = client.inbox.items;
    if (placeOf(connected?.offset) > 0) counts.before++;
    counts.told += rest.length;
    if (!stays && rest.length < last) counts.left++;
    await client.close();
  }
  t.equal(published.size, last, "each event has a place of its own");
}

/** Resolves with the number of each event by its offset, and with the last place. */
async function publish({ emitter }: Environment, session: string, bursts: Round["bursts"]) {
  const publishing: Promise<readonly [string | undefined, number]>[] = [];
  const emit = async (like_count: number) => {
    const payload = { question_id: 1, like_count };
    const { offsets } = await emitter.emit(session, "question_like_update", payload);
    return [offsets.student, like_count] as const;
  };
  for (const { size, pause } of bursts) {
    for (let i = 0; i < size; i++) publishing.push(emit(publishing.length));
    await turns(pause);
  }
  const published = new Map(await Promise.all(publishing));
  return { published, last: Math.max(...[...published.keys()].map(placeOf)) };
}

/** What is wrong with what a client was told. */
function judge(
  { inbox }: Client,
  expected: {
    published: ReadonlyMap<string | undefined, number>;
    pings: number;
    last?: number | undefined;
  },
): string | undefined {
  const [connected, ...rest] = inbox.items;
  if (connected?.event !== "connected") return `it is told ${connected?.event ?? "nothing"} first`;
  const pongs = rest.filter(({ event }) => event === "pong").length;
  if (expected.last !== undefined && pongs !== expected.pings) return `${pongs} pongs`;
  const events = rest.filter(({ event }) => event !== "pong");
  const begin = placeOf(connected.offset);
  for (const [i, { offset, object }] of events.entries()) {
    if (placeOf(offset) !== begin + 1 + i) {
      const places = events.map(({ offset }) => placeOf(offset)).join();
      return `it began at ${begin}, and got ${places}`;
    }
    if (object["like_count"] !== expected.published.get(offset)) {
      return `it got ${String(object["like_count"])} at ${String(offset)}`;
    }
  }
  const end = begin + events.length;
  if (expected.last !== undefined && end !== expected.last) return `it ends at ${end}`;
  return undefined;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

function placeOf(offset: string | undefined): number {
  return parseOffset(offset)?.n ?? NaN;
}
