import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { endsBecause } from "../../classroom/connection-log.js";
import type { Drop } from "../guard.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import { Heartbeat } from "../wire/heartbeat.js";
import type { UnreadRule } from "../wire/unread.js";
import type { StreamAnswer } from "./answer.js";
import { EventStreamConnection, type EventStreamHome } from "./connection.js";

/** Socket.IO's CONNECT packet for the namespace `/`. */
const CONNECT_PACKET = "0";
/** The least that Node.js tells the kernel: less is nothing, and means two hours. */
const MIN_KEEP_ALIVE_MS = 1_000;

/** The engine of event streams, bound to Socket.IO beside the others: emits `connection`. */
export class EventStreamEngine extends EventEmitter {
  readonly #home: EventStreamHome;
  readonly #heartbeat: Heartbeat<EventStreamConnection>;

  /** @param heartbeatMs - how often something is written to each stream */
  constructor(
    { heartbeatMs, drop }: { heartbeatMs: number; drop: Drop },
    unread: UnreadRule,
    addresses: Pick<ClientAddresses, "of">,
  ) {
    super();
    // Before the next comment, which the kernel would wait for the confirmation of for a quarter of an hour.
    const keepAliveMs = Math.max(heartbeatMs / 2, MIN_KEEP_ALIVE_MS);
    this.#home = { ...unread, addresses, keepAliveMs, connections: new Set() };
    this.#heartbeat = new Heartbeat(heartbeatMs, (error, { netSocket }) => {
      drop(error, netSocket);
    });
  }

  /** Takes over a request that has been let in. */
  handleRequest(request: IncomingMessage, answer: StreamAnswer): void {
    const connection = new EventStreamConnection(request, answer, this.#home);
    this.#heartbeat.add(connection);
    this.emit("connection", connection);
    connection.emit("data", CONNECT_PACKET);
  }

  /** All that are open. */
  get connections(): Iterable<EventStreamConnection> {
    return this.#home.connections;
  }

  close(): void {
    this.#heartbeat.close();
    for (const connection of this.#home.connections) {
      endsBecause(connection, "draining");
      connection.close();
    }
  }
}
