import type { AddressInfo } from "node:net";
import { Server as SocketServer } from "socket.io";
import { Encoder } from "socket.io-parser";
import { Emitter } from "@inthon/emitter";
import type { SessionId } from "@inthon/emitter/protocol";
import type { Identity } from "./classroom/address.js";
import { Happenings } from "./classroom/report/happenings.js";
import type { ClassroomServer } from "./classroom/connection.js";
import { TokenGate } from "./classroom/tokens/token-gate.js";
import { whom } from "./classroom/whom.js";
import { untilDoneWithin } from "./cluster/retry.js";
import type { Config } from "./config/config.js";
import { forgetHandshake } from "./edge/engine-io/handshake.js";
import { serveDocuments } from "./edge/docs/routes.js";
import { closeHttp, refuseWhenClosing } from "./edge/http/closing.js";
import { createHttp } from "./edge/http/fastify.js";
import { refuseOtherMethods } from "./edge/http/routes/methods.js";
import { lanes } from "./edge/delivery-lanes.js";
import { Drain } from "./edge/ending/drain.js";
import { expire } from "./edge/ending/expire.js";
import { stayAway } from "./edge/ending/stay-away.js";
import { streamDoor } from "./edge/event-stream/door.js";
import { EventStreamEngine } from "./edge/event-stream/engine.js";
import { ClientAddresses } from "./edge/gate/client-addresses.js";
import { Doorkeeper } from "./edge/gate/doorkeeper.js";
import { httpAccess } from "./edge/gate/http-access.js";
import { checkOrigin, checkPublishingPage, checkReadingPage } from "./edge/gate/origins.js";
import { Turnstile } from "./edge/gate/turnstile.js";
import { SocketTokens } from "./edge/gate/socket-tokens.js";
import { TokenVerifier } from "./edge/gate/token-verifier.js";
import { PlainEngine } from "./edge/plain/engine.js";
import { healthRoutes } from "./edge/http/routes/health.js";
import { historyRoutes } from "./edge/http/routes/history.js";
import { Readings } from "./edge/http/routes/readings.js";
import { pageRoutes } from "./edge/http/routes/pages.js";
import { pollingRoutes } from "./edge/engine-io/polling.js";
import { shortenHandshakes } from "./edge/engine-io/prototypes.js";
import { sessionRoutes } from "./edge/http/routes/sessions.js";
import { acceptEvents, decoderFor } from "./edge/engine-io/decoder.js";
import { Arrivals, hasArrived } from "./edge/engine-io/arrivals.js";
import { Pace, type PaceLimits } from "./edge/intake/pace.js";
import { Intake } from "./edge/intake/intake.js";
import { TolerantEngine } from "./edge/engine-io/engine.js";
import { noteStrayRequests, strangerNoter } from "./edge/engine-io/stray-requests.js";
import { routeUpgrades } from "./edge/upgrade.js";
import type { UnreadRule } from "./edge/wire/unread.js";
import { openCanary, openCluster, openKeys, openMetrics } from "./open-parts.js";
import { openOperator } from "./open-operator.js";
import { openReplica } from "./replica.js";
import { Counts } from "./telemetry/counts.js";
import type { Logger } from "./telemetry/log.js";
import { dropper } from "./edge/guard.js";
import { Refusals } from "./telemetry/refusals.js";

/** A running replica. */
export interface App {
  /** Where it listens, for example `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Where its metrics are, where they are asked for. */
  readonly metricsUrl: string | undefined;
  /** Whether it goes: from the beginning of {@link App.drain} or {@link App.close} on. */
  readonly isDraining: boolean;
  /** Says that it is not ready, serves on for a while, and then sends clients away evenly, to come back elsewhere. */
  drain(): Promise<void>;
  /** Sends every client away that is still there, lets go of everything, and resolves when all is closed. */
  close(): Promise<void>;
}

/** More than a school that comes back to a full replica, each client once in some seconds. */
const REFUSING: PaceLimits = { perS: 1_000, burst: 100, maxWaiting: 4_096 };

/** What a reader over HTTP waits for Redis, to answer or to be back. */
const READ_TIMEOUT_MS = 3_000;

/** Puts the parts together and listens. This is the only place that knows them all. */
export async function startApp(
  config: Config,
  log: Logger,
  happenings = new Happenings(),
): Promise<App> {
  const { nodeId, allowedOrigins } = config;
  const refusals = new Refusals(log);
  const counts = new Counts();
  const drop = dropper(log);
  const refusing = new Pace(REFUSING, drop);
  const addresses = new ClientAddresses(config.trustProxy, (address) => {
    log.warn(
      { address },
      "an address that TRUST_PROXY does not name sent forwarded headers, which are ignored: see that TRUST_PROXY has your balancer, and that nobody reaches this server past it",
    );
  });
  const closing = new AbortController();
  const drain = new Drain();
  const isDraining = () => drain.isDraining;
  const cluster = openCluster(config, log, refusals, counts);
  const { broker, presence } = cluster;
  const intake = new Intake(config.limits, refusals, drop);
  const arrivals = new Arrivals(intake, config.limits.connectTimeoutMs, drop);
  const Decoder = decoderFor(strangerNoter(refusals));
  const io: ClassroomServer = new SocketServer({
    adapter: cluster.adapter,
    // The stock client then keeps `pid` and offset. What is sent again is decided by the classroom.
    connectionStateRecovery: { skipMiddlewares: false },
    parser: { Encoder, Decoder },
    serveClient: false,
  });
  shortenHandshakes(io);
  const unread: UnreadRule = {
    maxUnreadBytes: config.limits.maxUnreadBytes,
    onSlowReader: (client) => {
      refusals.note("slow_reader", whom(client));
    },
  };
  const plain = new PlainEngine(
    { heartbeatMs: config.pingIntervalMs, intake, drop },
    unread,
    addresses,
  );
  const streams = new EventStreamEngine(
    { heartbeatMs: config.pingIntervalMs, drop },
    unread,
    addresses,
  );
  const engineIo = new TolerantEngine(
    {
      pingInterval: config.pingIntervalMs,
      pingTimeout: config.pingTimeoutMs,
      upgradeTimeout: config.limits.connectTimeoutMs,
    },
    { nodeId, intake, arrivals, unread, addresses, drop },
  );
  // Socket.IO takes any emitter of `connection`; its types know Engine.IO's only.
  io.bind(plain as unknown as TolerantEngine);
  io.bind(streams as unknown as TolerantEngine);
  io.bind(engineIo);
  const keys = openKeys(config, log, closing.signal);
  const verifier = keys && new TokenVerifier(keys);
  const tokens = verifier && new SocketTokens(verifier);
  const tokenGate =
    tokens &&
    new TokenGate({ claimsOf: (socket) => tokens.claimsOf(socket), expire }, refusals, log);
  const replica = openReplica(
    config,
    io,
    cluster,
    { counts, log, refusals, happenings },
    { tokenGate, laneTo: lanes(drop), stayAway, door: arrivals, closing: closing.signal },
  );
  const { classroom, teachers } = replica;
  io.on("connection", (socket) => {
    acceptEvents(socket);
    hasArrived(socket.conn);
    forgetHandshake(socket);
  });
  const emitter = new Emitter(broker.publisher);

  const doorkeeper = new Doorkeeper(config.limits, addresses, refusals);
  const gate = {
    isOriginAllowed: checkOrigin(allowedOrigins),
    tokens,
    isRoomFull: (identity: Identity) => classroom.isRoomFull(identity),
    doorkeeper,
    turnstile: new Turnstile(drop),
    refusing,
    addresses,
    refusals,
    drop,
    leaving: drain.leaving,
  };
  const { limits } = config;
  const http = createHttp(log, {
    allowedOrigins,
    limits,
    addresses,
    doorkeeper,
    refusals,
    refusing,
    isDraining,
  });
  refuseWhenClosing(http, closing.signal);
  if (config.hasDocs) {
    // In front of all routes, to hear of them.
    serveDocuments(http, {
      takesKeys: config.publishKeys !== undefined,
      takesTokens: verifier !== undefined,
    });
  }
  const check = () => {
    const troubles = cluster.check();
    keys?.check();
    return troubles;
  };
  healthRoutes(http, { nodeId, check, isDraining });
  const access = httpAccess({ publishKeys: config.publishKeys, verifier });
  historyRoutes(http, broker, {
    authorize: access.toReadHistory,
    readings: new Readings(addresses, refusals, config.limits.historyPageBytes),
    pageBytes: config.limits.historyPageBytes,
    historyReadSeconds: counts.historyReadSeconds,
  });
  const describe = async (sessionId: SessionId) => {
    const [teacherOnline, connections] = await untilDoneWithin(READ_TIMEOUT_MS, () =>
      Promise.all([presence.isOnline(sessionId), cluster.counts.read(sessionId)]),
    );
    return { teacherOnline, connections };
  };
  // A key, or a token, is something that other pages do not have.
  const asksForOne = (config.publishKeys ?? verifier) !== undefined;
  const mayPublish = asksForOne ? () => true : checkPublishingPage(allowedOrigins);
  const mayLook = asksForOne ? () => true : checkReadingPage(allowedOrigins);
  sessionRoutes(http, {
    emitter,
    counts,
    log,
    bodies: intake.bodies,
    access,
    addresses,
    mayPublish,
    describe,
  });
  noteStrayRequests(engineIo, refusals, { addresses, nodeId });
  pollingRoutes(http, { engineIo, stream: streamDoor(streams, gate) }, gate);
  pageRoutes(http, config);
  const views = openOperator({
    ...config,
    ...{ io, http, access, board: cluster.board, broker, classroom, describe, mayLook },
    ...{ counts, refusals, happenings, check, isDraining, leaving: drain.leaving },
  });
  refuseOtherMethods(http);
  routeUpgrades(http.server, { engineIo, plain }, gate);
  warnOfOpenDoors(config, log);
  for (const warning of config.warnings) log.warn(warning);

  const metrics = await openMetrics(config, counts, gate, {
    rooms: () => classroom.size,
    isDraining,
    redis: cluster.redis,
    maxConnections: config.limits.maxConnections,
    hasCanary: config.canary !== undefined,
  });
  await http.listen({ host: config.host, port: config.port });
  const canary = openCanary(config, emitter, counts, log);
  canary?.start();
  return {
    metricsUrl: metrics && `${urlOf(config.host, metrics)}/metrics`,
    url: urlOf(config.host, http.server.address() as AddressInfo),
    get isDraining() {
      return drain.isDraining;
    },
    drain: () => {
      happenings.note("drains", "");
      const drained = drain.run({
        ...config.drain,
        onLeave: () => {
          teachers.drain();
        },
        connections: () => [
          ...plain.connections,
          ...streams.connections,
          ...engineIo.connections,
          ...views.connections,
        ],
        log,
      });
      cluster.board.tellNow();
      return drained;
    },
    close: async () => {
      // In this turn, so that nobody comes in behind those who are sent away.
      drain.leave();
      closing.abort();
      canary?.close();
      teachers.drain();
      views.close();
      plain.close();
      streams.close();
      engineIo.close();
      arrivals.close();
      await replica.close(closeHttp(http));
      intake.close();
      tokenGate?.close();
      await emitter.close();
      await cluster.close();
      await metrics?.close();
    },
  };
}

function warnOfOpenDoors({ auth, publishKeys }: Config, log: Logger): void {
  if (auth.kind !== "off") return;
  const what = publishKeys ? "be the teacher" : "be the teacher, and publish";
  log.warn(
    `nobody needs a token: anyone who reaches this server may ${what}; set JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL`,
  );
}

function urlOf(host: string, { port }: { readonly port: number }): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${String(port)}`;
}
