import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { ServerProcess } from "./processes/server-process.js";

const RESTART_AFTER_MS = 5_000;
const TOKEN_BYTES = 24;

/** What a cluster's door tells whoever has started the cluster. */
export interface DoorOptions {
  /** How long a replica that was killed stays away. */
  readonly restartAfterMs?: number;
  /** Called when a replica that was killed runs again, or could not be started. */
  readonly onRestart?: (replica: ServerProcess, error?: Error) => void;
}

/**
 * A door into a cluster on this machine, by which a page kills a replica: `POST /cluster/kill?replica=NAME`. Below the load
 * balancer, as pages may ask nobody else; with a token of its own, which is new each time. A server has no such door.
 */
export class ClusterDoor {
  readonly token = randomBytes(TOKEN_BYTES).toString("base64url");
  readonly #replicas: readonly ServerProcess[];
  readonly #options: DoorOptions;
  readonly #server: Server;
  readonly #closing = new AbortController();
  /** Until the one that was killed is back; `undefined`: all are there. */
  #away: Promise<void> | undefined;

  private constructor(replicas: readonly ServerProcess[], options: DoorOptions) {
    this.#replicas = replicas;
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#answer(request, response);
    });
  }

  static async open(
    replicas: readonly ServerProcess[],
    options: DoorOptions,
  ): Promise<ClusterDoor> {
    const door = new ClusterDoor(replicas, options);
    await new Promise<void>((resolve, reject) => {
      door.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return door;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nobody is started after this. */
  async stop(): Promise<void> {
    this.#closing.abort();
    this.#server.close();
    this.#server.closeAllConnections();
    await this.#away;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const tell = (status: number, body: object) => {
      const type = status < 400 ? "application/json" : "application/problem+json";
      response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
      response.end(JSON.stringify(body));
    };
    const refuse = (status: number, code: string, detail: string) => {
      tell(status, { status, code, detail });
    };
    request.resume();
    const [path, query] = (request.url ?? "").split("?");
    if (!this.#isKnown(request.headers.authorization)) {
      refuse(401, "unauthorized", "open the address that the cluster printed when it started");
    } else if (request.method !== "POST" || path !== "/cluster/kill") {
      refuse(404, "not_found", "a replica is killed by POST /cluster/kill?replica=NAME");
    } else {
      const name = new URLSearchParams(query).get("replica");
      const replica = this.#replicas.find(({ nodeId }) => nodeId === name);
      if (replica === undefined) refuse(404, "unknown_replica", "there is no such replica");
      else if (this.#away) refuse(409, "away", "another replica is away: wait until it is back");
      else {
        this.#kill(replica);
        tell(202, { replica: replica.nodeId });
      }
    }
  }

  #isKnown(authorization = ""): boolean {
    const given = Buffer.from(authorization);
    const wanted = Buffer.from(`Bearer ${this.token}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #kill(replica: ServerProcess): void {
    replica.kill("SIGKILL");
    this.#away = this.#bringBack(replica).finally(() => {
      this.#away = undefined;
    });
  }

  async #bringBack(replica: ServerProcess): Promise<void> {
    const { restartAfterMs = RESTART_AFTER_MS, onRestart } = this.#options;
    const { signal } = this.#closing;
    const isOver = await delay(restartAfterMs, false, { signal }).catch(() => true);
    if (isOver) return;
    try {
      await replica.restart();
      onRestart?.(replica);
    } catch (error) {
      onRestart?.(replica, error instanceof Error ? error : new Error(String(error)));
    }
  }
}
