import type { Replica } from "../actors/replica.js";
import type { PublisherActor } from "../actors/publisher.js";
import type { Network } from "../network/network.js";
import type { Connection } from "../network/connection.js";
import { ClusterDeployment } from "../redis/cluster/cluster-deployment.js";
import type { RedisDeployment } from "../redis/deployment.js";
import type { World } from "../world/world.js";
import type { Verdict } from "../network/moments.js";
import type { Consequence, Fault, Trap } from "./fault.js";

/** What faults can befall. */
export interface Victims {
  readonly world: World;
  readonly network: Network;
  readonly deployment: RedisDeployment;
  readonly replicas: readonly Replica[];
  readonly publishers: readonly PublisherActor[];
}

/** Makes a fault happen, and end. */
export function cause(fault: Fault, victims: Victims): void {
  const { world, network, deployment, replicas, publishers } = victims;
  switch (fault.kind) {
    case "kill replica": {
      const replica = replicas[fault.replica];
      replica?.kill();
      world.after(fault.backAfterMs, () => replica?.start());
      return;
    }
    case "drain replica": {
      const replica = replicas[fault.replica];
      replica?.drain();
      world.after(fault.backAfterMs, () => {
        replica?.kill();
        replica?.start();
      });
      return;
    }
    case "freeze replica":
      freeze(replicas[fault.replica]?.process, fault.ms, world);
      return;
    case "kill publisher": {
      const publisher = publishers[fault.publisher];
      publisher?.kill();
      world.after(fault.backAfterMs, () => publisher?.start());
      return;
    }
    case "freeze publisher":
      freeze(publishers[fault.publisher]?.process, fault.ms, world);
      return;
    case "step clock":
      replicas[fault.replica]?.process?.stepClock(fault.ms);
      return;
    case "step Redis's clock":
      deployment.shard(fault.shard).primary.clockAheadMs += fault.ms;
      return;
    case "drift":
      replicas[fault.replica]?.process?.drift(fault.rate);
      return;
    case "restart Redis":
      deployment.shard(fault.shard).restart(fault.lostMs, fault.downMs, fault.loadingMs);
      return;
    case "fail over":
      deployment.shard(fault.shard).failOver(fault.lostMs, fault.splitMs, fault.isOldGone);
      return;
    case "freeze Redis": {
      const { primary } = deployment.shard(fault.shard);
      primary.isFrozen = true;
      world.after(fault.ms, () => {
        primary.isFrozen = false;
        for (const connection of network.connections) {
          if (connection.redis === primary) connection.goOn();
        }
      });
      return;
    }
    case "evict":
      world.tell(
        "redis",
        `evicts ${deployment.evict(fault.shard, fault.count, fault.of).join(", ")}`,
      );
      return;
    case "fill Redis": {
      const { primary } = deployment.shard(fault.shard);
      primary.isFull = true;
      world.after(fault.ms, () => {
        primary.isFull = false;
      });
      return;
    }
    case "deny": {
      const { denied } = deployment.shard(fault.shard).primary;
      denied.add(fault.command);
      world.after(fault.ms, () => {
        denied.delete(fault.command);
      });
      return;
    }
    case "flush scripts":
      deployment.shard(fault.shard).primary.forgetScripts();
      return;
    case "cut":
      linkOf(network, fault.link)?.cut(fault.part, fault.isTold);
      return;
    case "hang": {
      const link = linkOf(network, fault.link);
      if (!link) return;
      const pipes = [
        ...(fault.direction === "from Redis" ? [] : [link.toRedis]),
        ...(fault.direction === "to Redis" ? [] : [link.toProcess]),
      ];
      for (const pipe of pipes) pipe.hang();
      world.after(fault.ms, () => {
        for (const pipe of pipes) pipe.goOn();
      });
      return;
    }
    case "slow":
      network.pace.usualMs = fault.usualMs;
      world.after(fault.ms, () => {
        network.pace.usualMs = 0.3;
      });
      return;
    case "silence": {
      const place = network.place(deployment.shard(fault.shard).primary.port);
      place.isSilent = true;
      world.after(fault.ms, () => {
        place.isSilent = false;
      });
      return;
    }
    case "swallow": {
      const link = linkOf(network, fault.link);
      if (!link) return;
      link.isDeaf = true;
      world.after(fault.ms, () => {
        link.isDeaf = false;
      });
      return;
    }
    case "move slots":
      if (!(deployment instanceof ClusterDeployment)) return;
      deployment.moveSlots(fault.shard, fault.to, fault.pauseMs, fault.isRemoved);
      return;
    case "trap":
      setTrap(fault, victims);
  }
}

function setTrap({ on, skip, isAfter, ms, then }: Trap, victims: Victims): void {
  const { world, network } = victims;
  const spring = (connection: Connection): Verdict => {
    world.tell("FAULT", `${on} of ${connection.process.name}: ${JSON.stringify(then)}`);
    return befall(then, connection, victims);
  };
  world.after(ms, network.moments.set({ on, skip, isAfter, spring }));
}

/** Makes something happen to whoever has come to a moment. */
function befall(what: Consequence, connection: Connection, victims: Victims): Verdict {
  const { world, replicas, publishers } = victims;
  const actor = [...replicas, ...publishers].find(({ process }) => process === connection.process);
  if (what.kind === "cut it") {
    connection.cut(what.part, what.isTold);
    return "lose";
  }
  if (what.kind === "refuse it") return "refuse";
  if (what.kind === "hang it") {
    connection.toProcess.hang();
    world.after(what.ms, () => {
      connection.toProcess.goOn();
    });
  } else if (what.kind === "kill it") {
    actor?.kill();
    world.after(what.backAfterMs, () => actor?.start());
  } else if (what.kind === "freeze it") freeze(actor?.process, what.ms, world);
  else cause(what, victims);
  return "serve";
}

function freeze(process: Replica["process"], ms: number, world: World): void {
  if (!process?.isAlive) return;
  process.freeze();
  world.after(ms, () => {
    process.thaw();
  });
}

function linkOf(network: Network, number: number): Connection | undefined {
  const all = [...network.connections];
  return all[number % Math.max(1, all.length)];
}
