import { EventEmitter } from "node:events";
import { pino } from "pino";
import { Server as SocketServer } from "socket.io";
import type { Classroom } from "../../../server/dist/classroom/classroom.js";
import type { ClassroomServer } from "../../../server/dist/classroom/connection.js";
import { loadConfig } from "../../../server/dist/config/config.js";
import { openCluster } from "../../../server/dist/open-parts.js";
import { openReplica } from "../../../server/dist/replica.js";
import { Counts } from "../../../server/dist/telemetry/counts.js";
import { Refusals } from "../../../server/dist/telemetry/refusals.js";
import { SimulatedProcess } from "../world/simulated-process.js";
import type { World } from "../world/world.js";
import { ServerConnection, type ClientEnd, type Hello } from "./server-connection.js";
import "./socket-ids.js";

const NOBODY = (): void => undefined;

/** Settings of all replicas of a world. */
export type Settings = Readonly<Record<string, string>>;

/** What the server runs, with an edge of its own: connections come by lanes. */
class Parts {
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #engine = new EventEmitter();
  readonly #connections = new Set<ServerConnection>();
  readonly #cluster: ReturnType<typeof openCluster>;
  readonly #replica: ReturnType<typeof openReplica>;
  readonly #closing = new AbortController();

  constructor(world: World, process: SimulatedProcess, settings: Settings) {
    this.#world = world;
    this.#process = process;
    const config = loadConfig({ ...settings, NODE_ID: process.name });
    const log = pino(
      { level: "info", base: null, timestamp: false },
      {
        write: (line: string) => {
          world.tell(process.name, told(line));
        },
      },
    );
    const refusals = new Refusals(log);
    const counts = new Counts();
    this.#cluster = openCluster(config, log, refusals, counts);
    const io: ClassroomServer = new SocketServer({
      adapter: this.#cluster.adapter,
      connectionStateRecovery: { skipMiddlewares: false },
      serveClient: false,
    });
    // Socket.IO takes any emitter of `connection`; its types know Engine.IO's only.
    io.bind(this.#engine as Parameters<typeof io.bind>[0]);
    this.#replica = openReplica(
      config,
      io,
      this.#cluster,
      { counts, log, refusals },
      {
        tokenGate: undefined,
        laneTo: (socket) => (socket as { readonly conn: ServerConnection }).conn,
        // Of EventSource alone: its client comes back though its session has ended.
        stayAway: () => undefined,
        door: { connected: NOBODY, refused: NOBODY },
        closing: this.#closing.signal,
      },
    );
  }

  get classroom(): Classroom {
    return this.#replica.classroom;
  }

  accept(hello: Hello, client: ClientEnd): ServerConnection {
    const connection = new ServerConnection(this.#world, this.#process, hello, client);
    this.#connections.add(connection);
    connection.on("close", () => {
      this.#connections.delete(connection);
    });
    this.#engine.emit("connection", connection);
    const { auth } = hello;
    connection.emit("data", Object.keys(auth).length === 0 ? "0" : `0${JSON.stringify(auth)}`);
    return connection;
  }

  /** As `app.close()`. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#replica.teachers.drain();
    for (const connection of this.#connections) connection.close();
    await this.#replica.close(Promise.resolve());
    await this.#cluster.close();
  }
}

/** A server process, as often as it is begun anew. */
export class Replica {
  readonly name: string;
  readonly #world: World;
  readonly #settings: Settings;
  #generation = 0;
  #process: SimulatedProcess | undefined;
  #parts: Parts | undefined;
  #isLeaving = false;

  constructor(world: World, name: string, settings: Settings) {
    this.#world = world;
    this.name = name;
    this.#settings = settings;
  }

  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  get isServing(): boolean {
    return this.#parts !== undefined && this.#process?.isAlive === true && !this.#isLeaving;
  }

  get classroom(): Classroom | undefined {
    return this.#parts?.classroom;
  }

  start(): void {
    if (this.#process?.isAlive === true) return;
    const { random } = this.#world;
    const process = new SimulatedProcess(
      this.#world,
      `${this.name}.${String(++this.#generation)}`,
      { rate: 1 + random.between(-1e-4, 1e-4), aheadMs: random.between(-2_000, 2_000) },
    );
    this.#process = process;
    this.#parts = undefined;
    this.#isLeaving = false;
    process.arrive(() => {
      this.#parts = new Parts(this.#world, process, this.#settings);
    });
  }

  kill(): void {
    this.#process?.kill();
    this.#parts = undefined;
  }

  /** As a rolling update does: sends everybody away, hands over, and ends. */
  drain(): void {
    const { process, parts } = { process: this.#process, parts: this.#parts };
    if (!process || !parts || this.#isLeaving) return;
    this.#isLeaving = true;
    process.arrive(() => {
      void parts.close().then(() => {
        this.#world.tell(process.name, "has ended in order");
        this.#world.after(0, () => {
          process.kill();
        });
      });
    });
  }

  /** @param onAccepted - called in the replica's turn; never where it does not get to it */
  connect(
    hello: Hello,
    client: ClientEnd,
    onAccepted: (connection: ServerConnection) => void,
  ): void {
    const { process } = this;
    process?.arrive(() => {
      if (!this.isServing || !this.#parts) return;
      onAccepted(this.#parts.accept(hello, client));
    });
  }
}

/** A line of the log, as far as the story needs it. */
function told(line: string): string {
  const { level, msg, err, ...rest } = JSON.parse(line) as {
    level: number;
    msg: string;
    err?: { message?: string };
    [field: string]: unknown;
  };
  const fields = Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest)}`;
  return `${level >= 40 ? "! " : ""}${msg}${fields}${err ? ` (${err.message ?? ""})` : ""}`;
}
