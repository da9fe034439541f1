import type { Network } from "../network/network.js";
import { RedisDeployment, type DeploymentParts } from "./deployment.js";
import { ErrorReply, FlatMap, OK, Status, type Reply } from "./replies.js";
import type { RedisServer } from "./redis-server.js";

const HOST = "192.0.2.1";
const FIRST_SENTINEL_PORT = 26_379;
const FIRST_PORT = 6_379;
const COUNT = 3;
const NAME = "mymaster";
/** How long a Sentinel takes to hear of a promotion, in milliseconds: most of the time less. */
const HEARS_MS = 100;

/** One of those that say where the primary is: as much of it as is asked. */
class Sentinel {
  isFrozen = false;
  port: number;
  epoch = 0;

  constructor(port: number) {
    this.port = port;
  }

  execute([given = "", ...args]: readonly string[]): Reply {
    switch (given.toUpperCase()) {
      case "HELLO":
        return new FlatMap([
          "server",
          "redis",
          "version",
          "7.0.15",
          "proto",
          3,
          "mode",
          "sentinel",
        ]);
      case "CLIENT":
        return OK;
      case "PING":
        return new Status("PONG");
      case "SENTINEL":
        if (args[1] !== NAME) return new ErrorReply("ERR No such master with that name");
        return args[0]?.toUpperCase() === "MASTER"
          ? new FlatMap(["name", NAME, "config-epoch", String(this.epoch)])
          : [HOST, String(this.port)];
      default:
        return new ErrorReply(`ERR unknown command '${given}', with args beginning with: `);
    }
  }

  leave(): void {
    // Nobody is subscribed to anything.
  }
}

/** A Redis with replicas that have addresses of their own, and Sentinels that tell which is the primary, sooner or later. */
export class SentinelDeployment extends RedisDeployment {
  override readonly url: string;
  readonly #sentinels: readonly Sentinel[];
  #nextPort = FIRST_PORT;
  #epoch = 0;

  constructor(parts: DeploymentParts) {
    super(parts);
    this.#sentinels = Array.from({ length: COUNT }, () => new Sentinel(FIRST_PORT));
    const nodes = this.#sentinels.map((_, i) => `${HOST}:${String(FIRST_SENTINEL_PORT + i)}`);
    this.url = `redis+sentinel://${nodes.join(",")}/${NAME}`;
    this.#listen(parts.network);
  }

  override onPromote(old: RedisServer, successor: RedisServer, splitMs: number): void {
    const { world } = this.parts;
    const epoch = ++this.#epoch;
    for (const [i, sentinel] of this.#sentinels.entries()) {
      // One may be cut off with the old primary.
      const waitMs = i === 0 ? splitMs : 0;
      world.after(waitMs + world.random.longTailed(HEARS_MS), () => {
        if (sentinel.epoch >= epoch) return;
        sentinel.epoch = epoch;
        sentinel.port = successor.port;
      });
    }
    // A primary that is told to follow another one is told to let go of its clients.
    world.after(splitMs, () => {
      for (const shard of this.shards) shard.endConnections(old);
    });
  }

  protected override newPort(): number {
    return this.#nextPort++;
  }

  #listen(network: Network): void {
    for (const [i, sentinel] of this.#sentinels.entries()) {
      network.place(FIRST_SENTINEL_PORT + i).redis = sentinel;
    }
  }
}
