import type { AddressInfo } from "node:net";
import { Server as SocketServer } from "socket.io";
import { Encoder } from "socket.io-parser";
import { Emitter } from "@inthon/emitter";
import { Classroom } from "./classroom/classroom.js";
import type { ClassroomServer } from "./classroom/connection.js";
import { Presence } from "./classroom/presence/presence.js";
import { PresenceUpkeep } from "./classroom/presence/upkeep.js";
import { TokenGate } from "./classroom/tokens/token-gate.js";
import { memoryCluster, redisCluster, type Cluster } from "./cluster/cluster.js";
import { untilDoneWithin } from "./cluster/retry.js";
import type { Config } from "./config/config.js";
import { forgetHandshake } from "./edge/engine-io/handshake.js";
import { closeHttp, refuseWhenClosing } from "./edge/http/closing.js";
import { createHttp } from "./edge/http/fastify.js";
import { laneTo } from "./edge/delivery-lanes.js";
import { expire } from "./edge/expire.js";
import { httpAccess } from "./edge/gate/http-access.js";
import { checkOrigin } from "./edge/gate/origins.js";
import { remoteKeys } from "./edge/gate/remote-keys.js";
import { SocketTokens } from "./edge/gate/socket-tokens.js";
import { oneKey, TokenVerifier } from "./edge/gate/token-verifier.js";
import { PlainEngine } from "./edge/plain/engine.js";
import { healthRoutes } from "./edge/http/routes/health.js";
import { historyRoutes } from "./edge/http/routes/history.js";
import { pageRoutes } from "./edge/http/routes/pages.js";
import { pollingRoutes } from "./edge/engine-io/polling.js";
import { shortenHandshakes } from "./edge/engine-io/prototypes.js";
import { sessionRoutes } from "./edge/http/routes/sessions.js";
import { acceptEvents, decoderFor } from "./edge/engine-io/decoder.js";
import { Arrivals, hasArrived } from "./edge/engine-io/arrivals.js";
import { Intake } from "./edge/intake/intake.js";
import { TolerantEngine } from "./edge/engine-io/engine.js";
import { routeUpgrades } from "./edge/upgrade.js";
import type { UnreadRule } from "./edge/wire/unread.js";
import type { Logger } from "./telemetry/log.js";
import { Refusals } from "./telemetry/refusals.js";

/** A running replica. */
export interface App {
  /** Where it listens, for example `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Sends every client away to come back elsewhere, lets go of everything, and resolves when all is closed. */
  close(): Promise<void>;
}

/** What a leaving replica waits for changes of presence that are under way. */
const PRESENCE_CLOSE_TIMEOUT_MS = 3_000;

/** What a reader over HTTP waits for Redis, to answer or to be back. */
const READ_TIMEOUT_MS = 3_000;

/** Puts the parts together and listens. This is the only place that knows them all. */
export async function startApp(config: Config, log: Logger): Promise<App> {
  const { nodeId, historyLimit, allowedOrigins } = config;
  const refusals = new Refusals(log);
  const closing = new AbortController();
  const cluster = openCluster(config, log, refusals);
  const { broker, presence, counts, lease } = cluster;
  const intake = new Intake(config.limits, refusals);
  const arrivals = new Arrivals(intake, config.limits.connectTimeoutMs);
  const Decoder = decoderFor(() => {
    refusals.note("unknown_namespace", {});
  });
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
    onSlowReader: ({ address, transport }) => {
      refusals.note("slow_reader", { address, transport });
    },
  };
  const plain = new PlainEngine({ heartbeatMs: config.pingIntervalMs, intake }, unread);
  const engineIo = new TolerantEngine(
    {
      pingInterval: config.pingIntervalMs,
      pingTimeout: config.pingTimeoutMs,
      upgradeTimeout: config.limits.connectTimeoutMs,
    },
    { nodeId, intake, arrivals, unread },
  );
  // Socket.IO takes any emitter of `connection`; its types know Engine.IO's only.
  io.bind(plain as unknown as TolerantEngine);
  io.bind(engineIo);
  io.use((socket, next) => {
    arrivals.connected(socket);
    next();
  });
  const teachers = new Presence(presence, broker.publisher, lease, {
    graceMs: config.teacherOfflineGraceMs,
    log,
  });
  const verifier = openVerifier(config, log);
  const socketTokens =
    verifier && new SocketTokens({ plain, verifier, refusals, closing: closing.signal });
  const tokenGate =
    socketTokens &&
    new TokenGate({ claimsOf: (socket) => socketTokens.claimsOf(socket), expire }, refusals, log);
  const classroom = new Classroom(io, cluster, teachers, {
    historyLimit,
    historyMaxBytes: config.limits.historyMaxBytes,
    tokenGate,
    maxUnreadBytes: config.limits.maxUnreadBytes,
    log,
    laneTo,
    closing: closing.signal,
  });
  io.on("connection", (socket) => {
    acceptEvents(socket);
    hasArrived(socket.conn);
    forgetHandshake(socket);
  });
  const emitter = new Emitter(broker.publisher);
  const upkeep = new PresenceUpkeep(presence, lease, teachers, classroom.beliefs, log);
  lease.start({
    onNewName: () => {
      teachers.claimAll();
    },
    onSettled: () => {
      upkeep.checkAll();
    },
    onRenewed: () => {
      upkeep.onRenewed();
    },
    onDeath: (node) => teachers.sweep(node),
  });

  const http = createHttp(log, allowedOrigins);
  refuseWhenClosing(http, closing.signal);
  healthRoutes(http, nodeId, () => {
    cluster.check();
  });
  const access = httpAccess({ publishKeys: config.publishKeys, verifier, refusals });
  historyRoutes(http, broker, {
    authorize: access.toReadHistory,
    pageBytes: config.limits.historyPageBytes,
  });
  sessionRoutes(http, {
    emitter,
    access,
    describe: async (sessionId) => {
      const [teacherOnline, connections] = await untilDoneWithin(READ_TIMEOUT_MS, () =>
        Promise.all([presence.isOnline(sessionId), counts.read(sessionId)]),
      );
      return { teacherOnline, connections };
    },
  });
  pollingRoutes(http, engineIo);
  pageRoutes(http);
  const engines = { engineIo, plain: socketTokens ?? plain };
  routeUpgrades(http.server, engines, checkOrigin(allowedOrigins), closing.signal);
  warnOfOpenDoors(config, log);

  await http.listen({ host: config.host, port: config.port });
  return {
    url: urlOf(config.host, http.server.address() as AddressInfo),
    close: async () => {
      // In this turn, so that nobody comes in behind those who are sent away.
      closing.abort();
      teachers.drain();
      plain.close();
      engineIo.close();
      arrivals.close();
      await Promise.all([closeHttp(http), teachers.close(PRESENCE_CLOSE_TIMEOUT_MS)]);
      intake.close();
      await lease.stop(teachers.isEmpty);
      tokenGate?.close();
      classroom.close();
      await emitter.close();
      await cluster.close();
    },
  };
}

/** `undefined` where anyone may come in. */
function openVerifier({ auth }: Config, log: Logger): TokenVerifier | undefined {
  switch (auth.kind) {
    case "off":
      return undefined;
    case "secret":
      return new TokenVerifier(oneKey(auth.secret, auth.algorithms));
    case "public-key":
      return new TokenVerifier(oneKey(auth.key, auth.algorithms));
    case "jwks":
      return new TokenVerifier(remoteKeys(auth.url, auth.algorithms, log));
  }
}

function warnOfOpenDoors({ auth, publishKeys }: Config, log: Logger): void {
  if (auth.kind !== "off") return;
  const what = publishKeys ? "be the teacher" : "be the teacher, and publish";
  log.warn(
    `nobody needs a token: anyone who reaches this server may ${what}; set JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL`,
  );
}

function openCluster(config: Config, log: Logger, refusals: Refusals): Cluster {
  const { nodeId, historyLimit, historyTtlMs, leaseMs, redisLinkTimeoutMs: linkTimeoutMs } = config;
  const options = {
    nodeId,
    limits: { historyLimit, historyTtlMs, historyMaxBytes: config.limits.historyMaxBytes },
    leaseMs,
    presenceWindowMs: config.limits.presenceWindowMs,
    linkTimeoutMs,
    log,
    refusals,
  };
  switch (config.cluster.kind) {
    case "memory":
      return memoryCluster(options);
    case "redis":
      return redisCluster(config.cluster.url, options);
  }
}

function urlOf(host: string, { port }: AddressInfo): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${String(port)}`;
}
