import t from "tap";
import { Link, routeTo } from "@inthon/emitter";
import { ChannelSubscriptions } from "../../server/dist/cluster/redis/shards/channel-subscriptions.js";
import { createLogger } from "../../server/dist/telemetry/log.js";
import { eventually } from "../helpers/eventually.js";
import { redisTarget } from "../helpers/redis-target.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf, urlAs } from "../helpers/processes/redis-users.js";

const LOG = createLogger("silent", "test");
const SEED = 20_261_126;
const ignore = () => undefined;

interface Command {
  readonly name: "subscribe" | "unsubscribe";
  readonly channels: readonly string[];
  answer(): void;
}

/** A client whose answers a test gives itself. */
function scriptedClient() {
  const commands: Command[] = [];
  const send = (name: Command["name"]) => (channels: string[]) =>
    new Promise<void>((resolve) => {
      commands.push({ name, channels, answer: resolve });
    });
  return {
    commands,
    client: { isReady: true, subscribe: send("subscribe"), unsubscribe: send("unsubscribe") },
  };
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

void t.test(
  "ten thousand rooms that are wanted in one turn are ten commands, all at once",
  async (t) => {
    const { client, commands } = scriptedClient();
    const channels = new ChannelSubscriptions(LOG);
    await channels.begin(client);
    t.teardown(() => {
      channels.close();
    });
    const wanted = Array.from({ length: 10_000 }, (_, i) =>
      channels.subscribe(`room-${i}`, ignore),
    );
    await turns(3);
    t.strictSame(
      commands.map(({ name, channels }) => [name, channels.length]),
      Array.from({ length: 10 }, () => ["subscribe", 1_000]),
    );
    for (const command of commands) command.answer();
    await Promise.all(wanted);
  },
);

void t.test("what a connection never answers keeps nobody on the next one", async (t) => {
  const [first, second] = [scriptedClient(), scriptedClient()];
  const channels = new ChannelSubscriptions(LOG);
  t.teardown(() => {
    channels.close();
  });
  await channels.begin(first.client);
  const wanted = channels.subscribe("room", ignore);
  await turns(3);
  t.equal(first.commands.length, 1);
  const begun = channels.begin(second.client);
  await turns(3);
  t.strictSame(
    second.commands.map(({ channels }) => channels),
    [["room"]],
  );
  second.commands[0]?.answer();
  await Promise.all([begun, wanted]);
  t.ok(channels.isSubscribed("room"));
});

void t.test(
  "a channel's commands follow each other, and only what is wanted now is asked",
  async (t) => {
    const { client, commands } = scriptedClient();
    const channels = new ChannelSubscriptions(LOG);
    await channels.begin(client);
    t.teardown(() => {
      channels.close();
    });
    const letGo = channels.subscribe("room", ignore);
    await turns(3);
    channels.unsubscribe("room");
    await t.rejects(letGo, "whoever waited is told");
    const again = channels.subscribe("room", ignore);
    again.catch(ignore);
    await turns(3);
    t.equal(commands.length, 1, "nothing else is sent while the first is under way");
    commands[0]?.answer();
    await again;
    channels.unsubscribe("room");
    await turns(3);
    const back = channels.subscribe("room", ignore);
    await turns(3);
    t.equal(commands.length, 2);
    commands[1]?.answer();
    await turns(5);
    commands[2]?.answer();
    await back;
    t.strictSame(
      commands.map(({ name }) => name),
      ["subscribe", "unsubscribe", "subscribe"],
    );
  },
);

void t.test(
  "after any mixture of wishes and broken connections, Redis has what is wanted",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const admin = await adminOf(t, redis);
    const link: Link = new Link(routeTo(redisTarget(redis.url)), {
      timeoutMs: 5_000,
      prepare: () => channels.begin(link.client),
      prove: async (inTime) => {
        await inTime(link.client.ping());
      },
    });
    const channels: ChannelSubscriptions = new ChannelSubscriptions(LOG);
    link.open();
    t.teardown(async () => {
      channels.close();
      await link.close();
    });

    const heard = new Map<string, number>();
    const wanted = new Map<string, Promise<void>>();
    let state = SEED;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let step = 0; step < 2_000; step++) {
      const channel = `room-${random(30)}`;
      if (wanted.delete(channel)) {
        channels.unsubscribe(channel);
      } else {
        const acknowledged = channels.subscribe(channel, () => {
          heard.set(channel, (heard.get(channel) ?? 0) + 1);
        });
        acknowledged.catch(ignore);
        wanted.set(channel, acknowledged);
      }
      if (random(40) === 0) void admin.sendCommand(["CLIENT", "KILL", "TYPE", "pubsub"]);
      if (random(3) === 0) await turns(random(4));
    }
    await Promise.all(wanted.values());
    const subscribed = async () =>
      (await admin.sendCommand<string[]>(["PUBSUB", "CHANNELS"])).sort();
    await eventually(async () => (await subscribed()).length === wanted.size);
    t.strictSame(await subscribed(), [...wanted.keys()].sort(), `seed ${SEED}`);
    heard.clear();
    await Promise.all(Array.from({ length: 30 }, (_, i) => admin.publish(`room-${i}`, "hello")));
    await eventually(() => Promise.resolve(heard.size === wanted.size));
    t.ok([...heard.values()].every((times) => times === 1));

    for (const channel of wanted.keys()) channels.unsubscribe(channel);
    await eventually(async () => (await subscribed()).length === 0);
    await eventually(() => Promise.resolve(channels.size === 0));
    t.equal(channels.size, 0, "what nobody wants leaves nothing behind");
  },
);

void t.test("a channel that Redis refuses keeps no other", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  await admin.sendCommand("ACL SETUSER app on >pw +@all ~* resetchannels &room-*".split(" "));
  const link: Link = new Link(routeTo(redisTarget(urlAs(redis.url, "app", "pw"))), {
    timeoutMs: 5_000,
    prepare: () => channels.begin(link.client),
    prove: async (inTime) => {
      await inTime(link.client.ping());
    },
  });
  const channels: ChannelSubscriptions = new ChannelSubscriptions(LOG);
  t.teardown(async () => {
    channels.close();
    await link.close();
  });
  const refused = channels.subscribe("elsewhere", ignore);
  refused.catch(ignore);
  const wanted = Array.from({ length: 20 }, (_, i) => channels.subscribe(`room-${i}`, ignore));
  link.open();
  await Promise.all(wanted);
  await admin.sendCommand("ACL SETUSER app allchannels".split(" "));
  await refused;
});

void t.test("channels of shards are asked for by their slots, so many at once", async (t) => {
  const { client, commands } = scriptedClient();
  const acknowledged: string[] = [];
  const channels = new ChannelSubscriptions(LOG, {
    slotOf: (channel) => Number(channel.split("-")[1]) % 2_000,
    onAcknowledged: (some) => {
      acknowledged.push(...some);
    },
    onRefused: () => true,
    isElsewhere: () => false,
  });
  await channels.begin(client);
  t.teardown(() => {
    channels.close();
  });
  const names = Array.from({ length: 4_000 }, (_, i) => `room-${String(i)}`);
  const wanted = Promise.all(names.map((name) => channels.subscribe(name, ignore)));
  await turns(3);
  t.equal(commands.length, 500, "the others wait");
  t.strictSame(commands[0]?.channels, ["room-0", "room-2000"], "one slot each");
  for (let i = 0; i < 2_000; i++) {
    commands[i]?.answer();
    await turns(1);
  }
  await wanted;
  t.strictSame(acknowledged.sort(), names.sort());
  channels.lost("room-7");
  t.notOk(channels.isSubscribed("room-7"));
  await turns(3);
  t.strictSame(commands.at(-1)?.channels, ["room-7"], "it is asked for anew");
});

void t.test("who has left a slot is not asked again to let go of what was in it", async (t) => {
  const { client, commands } = scriptedClient();
  const unsubscribe = () => Promise.reject(new Error("MOVED 1 127.0.0.1:1"));
  let refusals = 0;
  const channels = new ChannelSubscriptions(LOG, {
    slotOf: () => 1,
    onAcknowledged: ignore,
    onRefused: () => {
      refusals += 1;
      return true;
    },
    isElsewhere: (error) => error instanceof Error && error.message.startsWith("MOVED"),
  });
  await channels.begin({ ...client, unsubscribe });
  t.teardown(() => {
    channels.close();
  });
  const wanted = channels.subscribe("room", ignore);
  await turns(3);
  commands[0]?.answer();
  await wanted;
  channels.unsubscribe("room");
  await turns(3);
  t.equal(refusals, 0);
  t.equal(channels.size, 0, "and nothing is remembered of it");
});

void t.test("what Redis has let go of unheard is found by its count, between rounds", async (t) => {
  const { client, commands } = scriptedClient();
  let counted: number | undefined = 0;
  let questions = 0;
  const count = () => {
    questions += 1;
    return Promise.resolve(counted);
  };
  const channels = new ChannelSubscriptions(LOG);
  await channels.begin({ ...client, count });
  t.teardown(() => {
    channels.close();
  });
  const wanted = channels.subscribe("room", ignore);
  await turns(3);
  const asked = channels.hasLostSome();
  await turns(3);
  t.equal(questions, 0, "not while a command is under way");
  commands[0]?.answer();
  await wanted;
  t.equal(await asked, true);
  counted = 1;
  t.equal(await channels.hasLostSome(), false);
  counted = undefined;
  t.equal(await channels.hasLostSome(), false, "who does not count says nothing");
  const begun = channels.begin({ ...client, count: () => Promise.reject(new Error("NOPERM")) });
  await turns(3);
  commands[1]?.answer();
  await begun;
  t.equal(await channels.hasLostSome(), false, "and neither does who may not");
});
