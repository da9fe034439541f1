import { randomUUID } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Server as EngineServer, type ServerOptions } from "engine.io";
import type { WebSocket, WebSocketServer } from "ws";
import { hasArrived, type Arrivals } from "./arrivals.js";
import { beginsAs } from "./decoder.js";
import { isClear, rawSocket, type EngineConnectionSeam } from "./connection.js";
import { endsBecause } from "../../classroom/connection-log.js";
import type { Client } from "../../classroom/whom.js";
import type { Drop } from "../guard.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import { limitReading, type Intake } from "../intake/intake.js";
import { WebSocketIntake } from "../intake/websocket-intake.js";
import { PollingIntake, refuseRequests } from "./polling-intake.js";
import { refuse } from "../http/last-words.js";
import { EngineProblem, REVISION, unsupportedRevision } from "./engine-problem.js";
import { CLOSE_TIMEOUT_MS, closeInTime, cutHalfClosed, limitClosing } from "../wire/closing.js";
import { refuseBadHandshakes } from "../wire/handshakes.js";
import { Heartbeat, stopBeating, type Beating } from "../wire/heartbeat.js";
import { prepareQuery } from "../request-query.js";
import type { UnreadRule } from "../wire/unread.js";
import { UnreadLimit, type WaitingConnection, type WaitingTransport } from "./unread-limit.js";
import { omitPingTimers } from "./prototypes.js";
import { textFrames } from "../wire/websocket-frames.js";

/** Engine.IO's ping. */
const PING_FRAME = textFrames(["2"]);
const HAS_ITS_WEBSOCKET = "this connection has a WebSocket, or had one: it takes no other one";
/** RFC 6455, section 7.4.1: for a client with which no connection of Engine.IO begins. */
const PROTOCOL_ERROR = 1002;

// The seams are private parts of engine.io, listed with the tests that pin them in test/dependencies/private-parts.md.

interface UpgradeSeam {
  readonly ws: WebSocketServer;
  onWebSocket(request: IncomingMessage, socket: Duplex, webSocket: WebSocket): void;
}

interface RequestSeam extends IncomingMessage {
  /** Where Engine.IO's handshake looks for it. */
  websocket?: WebSocket;
  intake?: WebSocketIntake;
}

interface TransportSeam {
  readonly socket?: WebSocket;
  intake?: WebSocketIntake | PollingIntake | undefined;
  /** Whether a ping of ours has not been answered: the answer is not counted against the client. */
  awaitsPong?: boolean;
  onPacket(this: TransportSeam, packet: EnginePacket): void;
  doClose(this: TransportSeam, onClosed?: () => void): void;
  on(this: TransportSeam, event: string, listener: (...args: unknown[]) => void): TransportSeam;
  /** Whether the client may ping, which it does once: to probe a transport that it upgrades to. */
  mayProbe?: boolean;
  /** Of long polling: how long a connection that is closed waits for the client's next poll. */
  closeTimeout?: number;
}

interface EnginePacket {
  readonly type: string;
  readonly data?: unknown;
}

interface ConnectionSeam extends Beating, EngineConnectionSeam {
  readonly request: IncomingMessage;
  /** As Engine.IO sees it, that of a proxy. */
  remoteAddress: string | undefined;
  readonly transport: EngineConnectionSeam["transport"] &
    TransportSeam &
    EventEmitter & { readonly socket?: EventEmitter };
  readonly pingTimeoutTimer: NodeJS.Timeout | null;
  hasRefreshedPingTimeout: boolean;
  /** Whether it was given a WebSocket beside its long polling: one comes with a connection, which is all that is counted. */
  hasTriedToUpgrade?: boolean;
  sendPacket(type: "ping"): void;
  close(discard?: boolean): void;
  resetPingTimeout(): void;
  on(event: "close", listener: (this: ConnectionSeam) => void): void;
}

/** Engine.IO closes a connection on a frame that is not Engine.IO. The contract ignores such a frame. */
export class TolerantEngine extends EngineServer {
  readonly #nodeId: string;
  readonly #heartbeat: Heartbeat<ConnectionSeam>;
  readonly #unread: UnreadLimit;
  readonly #addresses: Pick<ClientAddresses, "of">;
  readonly #intake: Intake;
  readonly #arrivals: Arrivals;
  readonly #drop: Drop;
  #isClosed = false;

  /** @param nodeId - put in front of each connection's Engine.IO id, so that a client can tell which replica it is on */
  constructor(
    options: ServerOptions & { readonly pingInterval: number },
    parts: {
      nodeId: string;
      intake: Intake;
      arrivals: Arrivals;
      unread: UnreadRule;
      addresses: Pick<ClientAddresses, "of">;
      drop: Drop;
    },
  ) {
    const { nodeId, intake, arrivals } = parts;
    // What a client is told that it may send in one body.
    super({ ...options, maxHttpBufferSize: intake.maxFrameBytes });
    this.#nodeId = nodeId;
    this.#unread = new UnreadLimit(parts.unread, parts.drop);
    this.#addresses = parts.addresses;
    this.#intake = intake;
    this.#arrivals = arrivals;
    this.#drop = parts.drop;
    this.#heartbeat = new Heartbeat(options.pingInterval, (error, connection) => {
      this.#drop(error, {
        destroy: () => {
          connection.close(true);
        },
      });
    });
    const { ws } = this as unknown as UpgradeSeam;
    limitClosing(ws);
    limitReading(ws, intake.maxConnectFrameBytes);
    refuseBadHandshakes(ws, (request, why) => {
      intake.refuse("invalid_request", this.#clientOf(request, "websocket"), why);
    });
    omitPingTimers(this);
    this.on("connection", (connection) => {
      this.#slim(connection as unknown as ConnectionSeam);
    });
  }

  /** All that have not ended. */
  get connections(): Iterable<{ close(): void }> {
    return Object.values(this.clients) as { close(): void }[];
  }

  override close(): this {
    this.#isClosed = true;
    this.#heartbeat.close();
    for (const connection of Object.values(this.clients)) endsBecause(connection, "draining");
    super.close();
    return this;
  }

  override generateId(): string {
    return `${this.#nodeId}~${randomUUID()}`;
  }

  /**
   * As Engine.IO does it, without the response object that it makes for middlewares: there are none, and its listener
   * would keep the request in memory as long as the connection lives.
   */
  override handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { sid } = prepareQuery(request);
    const engineRequest = request as EngineRequest;
    this.verify(engineRequest, true, (errorCode) => {
      const connection = this.#find(sid);
      const problem =
        errorCode === undefined
          ? whyNoWebSocket(request, connection)
          : new EngineProblem(errorCode);
      if (problem) {
        const { engineCode: code, message } = problem;
        this.emit("connection_error", { req: request, code, message });
        // Engine.IO would destroy the socket at once, and with it the answer.
        refuse(socket, problem);
        return;
      }
      const seam = this as unknown as UpgradeSeam;
      seam.ws.handleUpgrade(request, socket, head, (webSocket) => {
        if (connection) connection.hasTriedToUpgrade = true;
        const client = this.#clientOf(request, "websocket");
        const intake = new WebSocketIntake(webSocket, socket, this.#intake, client);
        (request as RequestSeam).intake = intake;
        if (sid !== undefined) {
          seam.onWebSocket(request, socket, webSocket);
          return;
        }
        webSocket.on("error", untilThereIsATransport);
        (request as RequestSeam).websocket = webSocket;
        void this.handshake("websocket", engineRequest, () => {
          closeInTime(webSocket, PROTOCOL_ERROR);
        });
      });
    });
  }

  /** Engine.IO awaits it nowhere: an error that nobody expected costs the connection, and not the process. */
  protected override async handshake(
    ...args: Parameters<EngineServer["handshake"]>
  ): ReturnType<EngineServer["handshake"]> {
    try {
      await super.handshake(...args);
    } catch (error) {
      const [, request] = args;
      this.#drop(error, request.socket);
    }
  }

  protected override createTransport(
    ...args: Parameters<EngineServer["createTransport"]>
  ): ReturnType<EngineServer["createTransport"]> {
    const [name, request] = args;
    const transport = super.createTransport(...args);
    const seam = transport as unknown as TransportSeam;
    const client = this.#clientOf(request, name);
    if (name === "polling") {
      seam.intake = new PollingIntake(transport, this.#intake, client);
    } else {
      seam.intake = (request as RequestSeam).intake;
      seam.on = onWithoutHeaders;
      seam.doClose = closeSayingWhy;
      refuseRequests(transport);
    }
    if (prepareQuery(request)["sid"] !== undefined) seam.mayProbe = true;
    if (seam.closeTimeout !== undefined) seam.closeTimeout = CLOSE_TIMEOUT_MS;
    seam.onPacket = onTolerablePacket;
    this.#unread.watchTransport(transport as unknown as WaitingTransport, client);
    return transport;
  }

  #find(sid: string | undefined): ConnectionSeam | undefined {
    return sid === undefined ? undefined : (this.clients[sid] as ConnectionSeam | undefined);
  }

  /** Whose a request is: a connection's, or that of one which it is to begin. */
  #clientOf(request: IncomingMessage, transport: string): Client {
    const known = this.#find(prepareQuery(request)["sid"]);
    if (known) return known;
    return { remoteAddress: this.#addresses.of(request), transport: { name: transport }, request };
  }

  /** Takes from a new connection what Engine.IO gives to each and one can do for all. */
  #slim(connection: ConnectionSeam): void {
    beginsAs(connection);
    // It ended while it began: nobody would stop its heartbeat.
    if (connection.readyState === "closed") return;
    if (this.#isClosed) {
      connection.close();
      return;
    }
    connection.remoteAddress = this.#addresses.of(connection.request);
    connection.transport.intake?.belongsTo(connection as Client);
    this.#unread.watch(connection as unknown as WaitingConnection);
    this.#arrivals.add(connection);
    connection.beat = ping;
    this.#heartbeat.add(connection);
    connection.on("close", onClose);
    const { name, socket } = connection.transport;
    if (name === "websocket") socket?.off("error", untilThereIsATransport);
  }
}

/** Why a client does not get a WebSocket here, as far as Engine.IO would find out when it has one, which tells it nothing. */
function whyNoWebSocket(
  request: IncomingMessage,
  connection: ConnectionSeam | undefined,
): EngineProblem | undefined {
  const { sid, transport, EIO } = prepareQuery(request);
  if (transport !== "websocket") return new EngineProblem(EngineServer.errors.BAD_REQUEST);
  if (sid === undefined && EIO !== REVISION) return unsupportedRevision();
  if (!connection) return undefined;
  if (!connection.hasTriedToUpgrade && connection.transport.name === "polling") return undefined;
  return new EngineProblem(EngineServer.errors.BAD_REQUEST, HAS_ITS_WEBSOCKET);
}

/** As Engine.IO's own timer for each connection does it. */
function ping(this: ConnectionSeam): void {
  // The answer to the last one is still awaited.
  if (this.pingTimeoutTimer !== null) return;
  this.hasRefreshedPingTimeout = false;
  const socket = rawSocket(this);
  this.transport.awaitsPong = true;
  if (socket && isClear(this, socket)) socket.write(PING_FRAME);
  else this.sendPacket("ping");
  this.resetPingTimeout();
}

/** The transport has a listener of its own, to which it leads errors. */
function untilThereIsATransport(): void {
  // Nothing to do: the WebSocket closes.
}

function onClose(this: ConnectionSeam): void {
  stopBeating(this);
  hasArrived(this);
}

// Engine.IO's own type of it is not exported.
type EngineRequest = Parameters<EngineServer["verify"]>[0];

/** Only polling emits it, and its listener would keep the first request. */
function onWithoutHeaders(
  this: TransportSeam,
  ...[event, listener]: Parameters<TransportSeam["on"]>
): TransportSeam {
  if (event === "headers") return this;
  return (Object.getPrototypeOf(this) as TransportSeam).on.call(this, event, listener);
}

/** Whatever ends a connection closes its transport. Engine.IO closes a WebSocket without a code. */
function closeSayingWhy(this: TransportSeam, onClosed?: () => void): void {
  if (this.socket) cutHalfClosed(this.socket);
  if (this.intake instanceof WebSocketIntake) this.intake.sayWhy();
  (Object.getPrototypeOf(this) as TransportSeam).doClose.call(this, onClosed);
}

/** Shared by all transports: a function for each would be memory for each. */
function onTolerablePacket(this: TransportSeam, packet: EnginePacket): void {
  if (packet.type === "error") return;
  if (packet.type === "pong" && this.awaitsPong === true) {
    this.awaitsPong = false;
    this.intake?.giveBack();
  }
  if (packet.type === "ping") {
    // Only the server pings.
    if (this.mayProbe !== true || packet.data !== "probe") return;
    this.mayProbe = false;
  }
  (Object.getPrototypeOf(this) as TransportSeam).onPacket.call(this, packet);
}
