import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Server as EngineServer, type ServerOptions } from "engine.io";
import type { WebSocket, WebSocketServer } from "ws";
import { isClear, rawSocket, type EngineConnectionSeam } from "./engine-connection.js";
import { Heartbeat, stopBeating, type Beating } from "./heartbeat.js";
import { prepareQuery } from "./query.js";
import { textFrames } from "./ready-frames.js";

/** Engine.IO's ping. */
const PING_FRAME = textFrames(["2"]);

// Private in engine.io's types. Pinned by the contract tests.
interface UpgradeSeam {
  readonly ws: WebSocketServer;
  onWebSocket(request: IncomingMessage, socket: Duplex, webSocket: WebSocket): void;
}

// `onPacket` is protected in engine.io's types. Pinned by the tests of junk frames.
interface TransportSeam {
  onPacket(this: TransportSeam, packet: EnginePacket): void;
  /** Whether the client may ping, which it does once: to probe a transport that it upgrades to. */
  mayProbe?: boolean;
}

interface EnginePacket {
  readonly type: string;
  readonly data?: unknown;
}

// Private in engine.io's types. Pinned by the tests of heartbeats and of what a connection keeps.
interface ConnectionSeam extends Beating, EngineConnectionSeam {
  readonly transport: EngineConnectionSeam["transport"] & EventEmitter;
  pingIntervalTimer: NodeJS.Timeout | null;
  readonly pingTimeoutTimer: NodeJS.Timeout | null;
  hasRefreshedPingTimeout: boolean;
  sendPacket(type: "ping"): void;
  resetPingTimeout(): void;
  on(event: "close", listener: (this: ConnectionSeam) => void): void;
}

/** Engine.IO closes a connection on a frame that is not Engine.IO. The contract ignores such a frame. */
export class TolerantEngine extends EngineServer {
  readonly #nodeId: string;
  readonly #heartbeat: Heartbeat;

  /** @param nodeId - put in front of each connection's Engine.IO id, so that a client can tell which replica it is on */
  constructor(options: ServerOptions & { readonly pingInterval: number }, nodeId: string) {
    super(options);
    this.#nodeId = nodeId;
    this.#heartbeat = new Heartbeat(options.pingInterval);
    this.on("connection", (connection) => {
      this.#slim(connection as unknown as ConnectionSeam);
    });
  }

  override close(): this {
    this.#heartbeat.close();
    super.close();
    return this;
  }

  override generateId(request: Parameters<EngineServer["generateId"]>[0]): string {
    return `${this.#nodeId}~${super.generateId(request) as string}`;
  }

  /**
   * As Engine.IO does it, without the response object that it makes for middlewares: there are none, and its listener
   * would keep the request in memory as long as the connection lives.
   */
  override handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    prepareQuery(request);
    this.verify(request as EngineRequest, true, (errorCode) => {
      if (errorCode !== undefined) {
        // Refuses it.
        super.handleUpgrade(request, socket, head);
        return;
      }
      const seam = this as unknown as UpgradeSeam;
      seam.ws.handleUpgrade(request, socket, head, (webSocket) => {
        seam.onWebSocket(request, socket, webSocket);
      });
    });
  }

  protected override createTransport(
    ...args: Parameters<EngineServer["createTransport"]>
  ): ReturnType<EngineServer["createTransport"]> {
    const [, request] = args;
    const transport = super.createTransport(...args);
    const seam = transport as unknown as TransportSeam;
    if (prepareQuery(request)["sid"] !== undefined) seam.mayProbe = true;
    seam.onPacket = onTolerablePacket;
    return transport;
  }

  /** Takes from a new connection what Engine.IO gives to each and one can do for all. */
  #slim(connection: ConnectionSeam): void {
    if (connection.pingIntervalTimer) clearTimeout(connection.pingIntervalTimer);
    connection.pingIntervalTimer = null;
    connection.beat = ping;
    this.#heartbeat.add(connection);
    connection.on("close", onClose);
    const { name, socket } = connection.transport;
    if (name !== "websocket" || !(socket instanceof EventEmitter)) return;
    // Only polling emits it.
    connection.transport.removeAllListeners("headers");
    for (const listener of socket.listeners("error")) {
      // It stands in until the transport has a listener of its own.
      if (listener.name === "onUpgradeError") socket.off("error", listener as () => void);
    }
  }
}

/** As Engine.IO's own timer for each connection does it. */
function ping(this: ConnectionSeam): void {
  // The answer to the last one is still awaited.
  if (this.pingTimeoutTimer !== null) return;
  this.hasRefreshedPingTimeout = false;
  const socket = rawSocket(this);
  if (socket && isClear(this, socket)) socket.write(PING_FRAME);
  else this.sendPacket("ping");
  this.resetPingTimeout();
}

function onClose(this: ConnectionSeam): void {
  stopBeating(this);
}

// Engine.IO's own type of it is not exported.
type EngineRequest = Parameters<EngineServer["verify"]>[0];

/** Shared by all transports: a function for each would be memory for each. */
function onTolerablePacket(this: TransportSeam, packet: EnginePacket): void {
  if (packet.type === "error") return;
  if (packet.type === "ping") {
    // Only the server pings.
    if (this.mayProbe !== true || packet.data !== "probe") return;
    this.mayProbe = false;
  }
  (Object.getPrototypeOf(this) as TransportSeam).onPacket.call(this, packet);
}
