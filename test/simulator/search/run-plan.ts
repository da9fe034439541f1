import { ClientActor } from "../actors/client.js";
import { PublisherActor, type Emission } from "../actors/publisher.js";
import { Replica } from "../actors/replica.js";
import { Judges } from "../judges/judges.js";
import { Network } from "../network/network.js";
import { ClusterDeployment } from "../redis/cluster/cluster-deployment.js";
import { RedisDeployment, type DeploymentParts } from "../redis/deployment.js";
import { SentinelDeployment } from "../redis/sentinel.js";
import { LuaScripts } from "../redis/lua.js";
import { currentProcess, leave } from "../world/globals.js";
import { World, type Violation } from "../world/world.js";
import { cause } from "./cause.js";
import type { Fault } from "./fault.js";
import { calmAt, type Happening, type Plan } from "./happening.js";

/** After the last fault, everything is right within this time: a lease, its sweep, and a connection that hangs. */
const PROGRESS_MS = 45_000;
/** When the events are sent that must arrive. */
const PROBE_MS = 25_000;
/** When it is looked for the first time whether all is right already, and how often after that. */
const SETTLE_MS = 1_500;
const LOOK_MS = 500;
/** How long rooms linger that nobody is in, and a little more. */
const LINGER_MS = 15_000;
/** How long sets of teachers live that nobody looks at any more, and a little more. */
const FORGOTTEN_MS = 90_000;
/** The numbers of those that are emitted in the end are above all others. */
const PROBES = 1_000_000;

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
    const stage = set(world, plan, scripts);
    await play(world, plan, stage);
    return {
      violations: world.violations,
      trace: world.trace,
      ms: world.now,
      published: stage.judges.published.count,
    };
  } finally {
    leave();
    process.off("unhandledRejection", onRejection);
  }
}

interface Stage {
  readonly judges: Judges;
  /** Has every publisher emit to every session. */
  readonly probe: () => readonly Emission[];
  readonly end: () => void;
}

function set(world: World, plan: Plan, scripts: LuaScripts): Stage {
  const network = new Network(world);
  const { replicaLagMs } = plan.redis;
  const waitReplicas = replicaLagMs === undefined ? 0 : 1;
  const judges = new Judges(world, waitReplicas > 0);
  const deployment = deploymentOf(plan, {
    world,
    network,
    scripts,
    observer: judges,
    replicaLagMs,
  });
  deployment.begin();
  const { url } = deployment;
  const settings = {
    ...plan.settings,
    REDIS_URL: url,
    REDIS_WAIT_REPLICAS: String(waitReplicas),
  };
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
        {
          url,
          historyLimit: plan.publishersKeep,
          waitReplicas,
        },
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
  judges.look({ connections: network.connections, deployment, replicas, clients });
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
      const now = () => {
        emit(happening.publisher, emission(happening), happening.timeoutMs);
      };
      if (happening.on === undefined) now();
      else network.moments.await(happening.on, now);
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
      case "return":
        client.leave();
        network.moments.await(happening.on, () => {
          world.after(happening.afterMs, () => {
            client.join();
          });
        });
        return;
      case "hurry":
        client.endsAfterMs = happening.ms;
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
    deployment.repair();
    for (const replica of replicas) if (!replica.isServing) replica.start();
    for (const publisher of publishers) publisher.start();
  });
  const sessions = [...new Set(plan.clients.map((client) => client.session))];
  let probed = 0;
  const probe = () => {
    const probes = sessions.flatMap((session) =>
      publishers.map((_, publisher) => {
        const name = "new_question" as const;
        const asked = { id: ++probed + PROBES, session, name, key: undefined, isLong: false };
        const one = emission(asked);
        emit(publisher, one, 15_000);
        return one;
      }),
    );
    return probes;
  };
  return {
    judges,
    probe,
    end: () => {
      for (const replica of replicas) replica.kill();
      for (const publisher of publishers) publisher.kill();
    },
  };
}

function deploymentOf({ redis }: Plan, parts: DeploymentParts): RedisDeployment {
  switch (redis.kind) {
    case "single":
      return new RedisDeployment(parts);
    case "sentinel":
      return new SentinelDeployment(parts);
    case "cluster":
      return new ClusterDeployment(parts, redis.masters, redis.needsAll);
  }
}

async function play(world: World, plan: Plan, { judges, probe, end }: Stage): Promise<void> {
  const calm = calmAt(plan);
  const hasFailed = () => world.violations.length > 0;
  await world.run(calm + SETTLE_MS, hasFailed);
  // Nothing that comes later shows anybody that it has missed something; only what is lost without a trace may be missing.
  const isQuiet = !plan.happenings.some((one) => one.kind === "fault" && swallows(one.fault));
  const isRight = () => judges.whatIsWrong().length === 0;
  const settle = async (until: number, isDone: () => boolean) => {
    while (world.now < until && !hasFailed() && (plan.isWatchedOn || !isDone())) {
      await world.run(Math.min(world.now + LOOK_MS, until), hasFailed);
    }
  };
  if (isQuiet) {
    await settle(calm + PROGRESS_MS, isRight);
    if (!hasFailed()) judges.atEnd();
  }
  // Then everybody hears what is published now.
  let probes = probe();
  const bound = world.now + PROBE_MS;
  await settle(bound, () => {
    const areDone = probes.every(({ outcome }) => outcome === "resolved");
    if (!areDone && probes.every(({ outcome }) => outcome !== "under way")) probes = probe();
    return areDone && isRight();
  });
  if (world.now >= bound && !hasFailed()) {
    for (const one of probe()) judges.onProbe(one);
    await world.run(world.now + PROGRESS_MS - PROBE_MS, hasFailed);
  }
  if (!hasFailed()) judges.atEnd();
  if (!hasFailed()) {
    judges.everybodyLeaves();
    const left = world.now;
    for (const ms of [LINGER_MS / 2, LINGER_MS, FORGOTTEN_MS]) {
      await world.run(left + ms, hasFailed);
      if (judges.leftBehind().length === 0) break;
    }
  }
  if (!hasFailed()) judges.afterAll();
  end();
}

function swallows(fault: Fault): boolean {
  return fault.kind === "swallow" || (fault.kind === "trap" && fault.then.kind === "swallow");
}

function emission({
  id,
  session,
  name,
  key,
  isLong,
}: Pick<Emission, "id" | "session" | "name" | "key" | "isLong">): Emission {
  return {
    id,
    session,
    name,
    key,
    isLong,
    outcome: "under way",
    offsets: {},
    duplicate: false,
    error: undefined,
  };
}
