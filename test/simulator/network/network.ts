import { createRequire, syncBuiltinESMExports } from "node:module";
import type { Listening } from "../redis/redis-server.js";
import { currentProcess } from "../world/globals.js";
import type { ProcessInTurn } from "../world/whose-turn.js";
import type { World } from "../world/world.js";
import { Connection } from "./connection.js";
import { Moments } from "./moments.js";
import type { Pace } from "./pipe.js";
import { SimulatedSocket } from "./socket.js";

/** An address at which a Redis may listen. */
interface Place {
  redis: Listening | undefined;
  /** Whether nothing comes back: neither a connection nor a refusal. */
  isSilent: boolean;
}

let connectNow: Network["connect"] | undefined;

/** What connects simulated processes with simulated Redis: `net.createConnection`, where it is a simulated process's turn. */
export class Network {
  readonly pace: Pace = { usualMs: 0.3 };
  readonly connections = new Set<Connection>();
  readonly moments = new Moments<Connection>();
  readonly #world: World;
  readonly #places = new Map<number, Place>();

  /** The network of the present world: there is one at a time. */
  constructor(world: World) {
    this.#world = world;
    connectNow = (process, port) => this.connect(process, port);
  }

  place(port: number): Place {
    const place = this.#places.get(port) ?? { redis: undefined, isSilent: false };
    this.#places.set(port, place);
    return place;
  }

  connect(process: ProcessInTurn, port: number): SimulatedSocket {
    const socket = new SimulatedSocket(process, port);
    this.#world.after(this.#world.random.longTailed(2 * this.pace.usualMs), () => {
      const { redis, isSilent } = this.place(port);
      if (isSilent) return;
      process.arrive(() => {
        if (redis) this.#open(process, redis, socket);
        else socket.endByPeer(refused(port));
      });
    });
    return socket;
  }

  #open(process: ProcessInTurn, redis: Listening, socket: SimulatedSocket): void {
    const connection = new Connection(
      this.#world,
      this.pace,
      process,
      redis,
      socket,
      this.moments,
      () => {
        this.connections.delete(connection);
      },
    );
    this.connections.add(connection);
    const { random } = this.#world;
    process.onEnd(() => {
      connection.abandon(random.fraction(), random.chance(0.8));
    });
    const { toRedis } = connection;
    socket.open({
      write: (bytes) => {
        toRedis.write(bytes);
      },
      close: () => {
        toRedis.close();
      },
    });
  }
}

function refused(port: number): Error {
  return Object.assign(new Error(`connect ECONNREFUSED 192.0.2.1:${String(port)}`), {
    code: "ECONNREFUSED",
  });
}

const net = createRequire(import.meta.url)("node:net") as Record<string, unknown>;
const connectOutside = net["createConnection"] as (...args: unknown[]) => unknown;
net["createConnection"] = (...args: unknown[]) => {
  const process = currentProcess();
  if (!process) return connectOutside(...args);
  if (!connectNow) throw new Error("there is no network");
  return connectNow(process, (args[0] as { port: number }).port);
};
syncBuiltinESMExports();
