import { ClientActor } from "../actors/client.js";
import { PublisherActor, type Emission } from "../actors/publisher.js";
import { Replica } from "../actors/replica.js";
import { Judges } from "../judges/judges.js";
import { Network } from "../network/network.js";
import { RedisDeployment, PORT } from "../redis/deployment.js";
import { LuaScripts } from "../redis/lua.js";
import { currentProcess, leave } from "../world/globals.js";
import { World, type Violation } from "../world/world.js";
import { cause } from "./cause.js";
import { calmAt, type Happening, type Plan } from "./happening.js";

const URL = `redis://192.0.2.1:${String(PORT)}`;
/** After the last fault, everything is right within this time: a lease, its sweep, and a connection that hangs. */
const PROGRESS_MS = 45_000;
/** When the events are sent that must arrive. */
const PROBE_MS = 25_000;
/** How long rooms linger that nobody is in, and a little more. */
const LINGER_MS = 15_000;
/** How long sets of teachers live that nobody looks at any more, and a little more. */
const FORGOTTEN_MS = 75_000;

export interface Outcome {
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
  /** Of virtual time. */
  readonly ms: number;
  readonly published: number;
}

/** Lets a plan happen, and judges it. */
export async function runPlan(plan: Plan): Promise<Outcome> {
  const scripts = await LuaScripts.load();
  const world = new World(plan.seed);
  const onRejection = (error: unknown) => {
    const who = currentProcess()?.name ?? "nobody's turn";
    world.violate(
      "no unhandled rejection",
      `${who}: ${error instanceof Error ? (error.stack ?? "") : String(error)}`,
    );
  };
  process.on("unhandledRejection", onRejection);
  try {
    const { judges, end } = set(world, plan, scripts);
    await play(world, plan, end, judges);
    return {
      violations: world.violations,
      trace: world.trace,
      ms: world.now,
      published: judges.published.count,
    };
  } finally {
    leave();
    process.off("unhandledRejection", onRejection);
  }
}

interface Stage {
  readonly judges: Judges;
  readonly end: () => void;
}

function set(world: World, plan: Plan, scripts: LuaScripts): Stage & { judges: Judges } {
  const network = new Network(world);
  const judges = new Judges(world);
  const deployment = new RedisDeployment(world, network, scripts, judges);
  const settings = { ...plan.settings, REDIS_URL: URL };
  const replicas = Array.from(
    { length: plan.replicas },
    (_, i) => new Replica(world, `replica-${String(i + 1)}`, settings),
  );
  const publishers = Array.from(
    { length: plan.publishers },
    (_, i) =>
      new PublisherActor(
        world,
        `publisher-${String(i + 1)}`,
        { url: URL, historyLimit: Number(plan.settings["HISTORY_LIMIT"]) },
        (emission) => {
          judges.onSettled(emission);
        },
      ),
  );
  const clients = plan.clients.map(
    (options, i) =>
      new ClientActor(
        world,
        `${options.role}-${String(i + 1)}`,
        options,
        replicas,
        judges.published,
        judges,
      ),
  );
  judges.look({ network, deployment, replicas, publishers, clients });
  for (const replica of replicas) replica.start();
  for (const publisher of publishers) publisher.start();
  const emit = (publisher: number, emission: Emission, timeoutMs: number) => {
    if (publishers[publisher]?.emit(emission, timeoutMs) === true) judges.onEmit(emission);
  };
  for (const happening of plan.happenings) {
    world.at(happening.at, () => {
      happen(happening);
    });
  }
  function happen(happening: Happening): void {
    if (happening.kind === "fault") {
      world.tell("FAULT", JSON.stringify(happening.fault));
      cause(happening.fault, { world, network, deployment, replicas, publishers });
      return;
    }
    if (happening.kind === "emit") {
      const { publisher, session, name, key, id, timeoutMs } = happening;
      emit(publisher, emission(id, session, name, key), timeoutMs);
      return;
    }
    const client = clients[happening.client];
    if (!client) return;
    switch (happening.kind) {
      case "join":
        client.join();
        return;
      case "leave":
        client.leave();
        return;
      case "stop reading":
        client.isReading = false;
        return;
      case "read on":
        client.read();
        return;
      case "end at once":
        client.endsAtOnce = true;
        return;
      case "drop":
        client.drop(happening.isTold);
        return;
      case "come back from":
        client.madeUpOffset = happening.offset;
    }
  }
  // Whatever had ended for good is there again.
  world.at(calmAt(plan), () => {
    for (const replica of replicas) if (!replica.isServing) replica.start();
    for (const publisher of publishers) publisher.start();
  });
  const rightAt = calmAt(plan) + PROGRESS_MS;
  for (const [i, session] of [...new Set(plan.clients.map((client) => client.session))].entries()) {
    for (let publisher = 0; publisher < plan.publishers; publisher++) {
      world.at(rightAt - PROGRESS_MS + PROBE_MS, () => {
        const probe = emission(1_000_000 + i * 100 + publisher, session, "new_question", undefined);
        judges.onProbe(probe);
        emit(publisher, probe, 15_000);
      });
    }
  }
  return {
    judges,
    end: () => {
      for (const replica of replicas) replica.kill();
      for (const publisher of publishers) publisher.process?.kill();
    },
  };
}

async function play(world: World, plan: Plan, end: () => void, judges: Judges): Promise<void> {
  const rightAt = calmAt(plan) + PROGRESS_MS;
  const hasFailed = () => world.violations.length > 0;
  await world.run(rightAt, hasFailed);
  if (!hasFailed()) judges.atEnd();
  if (!hasFailed()) {
    judges.everybodyLeaves();
    await world.run(rightAt + LINGER_MS, hasFailed);
    if (judges.leftBehind().length > 0) await world.run(rightAt + FORGOTTEN_MS, hasFailed);
  }
  if (!hasFailed()) judges.afterAll();
  end();
}

function emission(
  id: number,
  session: string,
  name: Emission["name"],
  key: string | undefined,
): Emission {
  return {
    id,
    session,
    name,
    key,
    outcome: "under way",
    offsets: {},
    duplicate: false,
    error: undefined,
  };
}
