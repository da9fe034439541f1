import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { endsBecause } from "../../classroom/connection-log.js";
import type { Drop } from "../guard.js";
import { chooseProtocol } from "../gate/carried-token.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import { prepareQuery } from "../request-query.js";
import { limitClosing } from "../wire/closing.js";
import { refuseBadHandshakes } from "../wire/handshakes.js";
import { limitReading, type Intake } from "../intake/intake.js";
import { WebSocketIntake } from "../intake/websocket-intake.js";
import { Heartbeat } from "../wire/heartbeat.js";
import type { UnreadRule } from "../wire/unread.js";
import { PlainConnection, type PlainHome } from "./connection.js";

/** Socket.IO's CONNECT packet for the namespace `/`. */
const CONNECT_PACKET = "0";

/** The engine of plain WebSockets, bound to Socket.IO beside Engine.IO's own: emits `connection`. */
export class PlainEngine extends EventEmitter {
  readonly #server: WebSocketServer;
  readonly #home: PlainHome;
  readonly #heartbeat: Heartbeat<PlainConnection>;

  readonly #intake: Intake;

  /**
   * @param heartbeatMs - how often clients are asked for a sign of life; one that stays silent until the next time is
   *   gone
   */
  constructor(
    { heartbeatMs, intake, drop }: { heartbeatMs: number; intake: Intake; drop: Drop },
    unread: UnreadRule,
    addresses: Pick<ClientAddresses, "of">,
  ) {
    super();
    this.#intake = intake;
    this.#home = { ...unread, addresses, connections: new Set() };
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      handleProtocols: chooseProtocol,
    });
    limitClosing(this.#server);
    limitReading(this.#server, intake.maxFrameBytes);
    refuseBadHandshakes(this.#server, (request, why) => {
      const client = {
        remoteAddress: addresses.of(request),
        transport: { name: "plain" },
        request,
      };
      intake.refuse("invalid_request", client, why);
    });
    this.#heartbeat = new Heartbeat(heartbeatMs, (error, { netSocket }) => {
      drop(error, netSocket);
    });
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const wantsOffsets = prepareQuery(request)["offset"] !== undefined;
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const client = { remoteAddress: this.#home.addresses.of(request), request };
      const intake = new WebSocketIntake(webSocket, socket, this.#intake, client);
      const options = { wantsOffsets, intake };
      const connection = new PlainConnection(webSocket, request, options, this.#home);
      this.#heartbeat.add(connection);
      this.emit("connection", connection);
      connection.emit("data", CONNECT_PACKET);
    });
  }

  /** All that are open. */
  get connections(): Iterable<PlainConnection> {
    return this.#home.connections;
  }

  close(): void {
    this.#heartbeat.close();
    for (const connection of this.#home.connections) {
      endsBecause(connection, "draining");
      connection.close();
    }
    this.#server.close();
  }
}
