import type { EventEmitter } from "node:events";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { IncomingMessage, ServerResponse } from "node:http";
import { DEFAULT_PATH, parseAddress, type Identity } from "../../classroom/address.js";
import { findFullRoom, type Doorkeeper } from "../gate/doorkeeper.js";
import { goingAway } from "../http/closing.js";
import type { Http } from "../http/fastify.js";
import { notDone } from "../http/routes/methods.js";
import { REVISION, unsupportedRevision } from "./engine-problem.js";
import { rawSocket, type EngineConnectionSeam } from "./connection.js";
import { prepareQuery } from "../request-query.js";
import type { Turnstile } from "../gate/turnstile.js";
import { HttpProblem, NOTHING_HERE } from "../http/problems.js";
import { wantsEventStream } from "../http/requests.js";
import { NO_OPERATION } from "../docs/operation.js";
import { OPEN_STREAM } from "../docs/operations.js";
import type { StreamDoor } from "../event-stream/door.js";

/** Of what has been decided for every answer: what holds for Engine.IO's as well. */
const KEPT_HEADER = /^(access-control-|vary$|cache-control$)/;

/** Engine.IO's server, as far as long polling needs it. */
export interface PollingHandler {
  handleRequest(request: IncomingMessage, response: ServerResponse): void;
  on(event: "connection", listener: (connection: PollingConnection) => void): unknown;
}

/** A connection of Engine.IO, as it begins. */
interface PollingConnection extends EventEmitter, EngineConnectionSeam {
  readonly request: object;
}

/** Who is let in. */
export interface PollingGate {
  readonly isRoomFull: (identity: Identity) => boolean;
  readonly doorkeeper: Doorkeeper;
  readonly turnstile: Turnstile;
  /** Aborts when nobody is let in any more. */
  readonly leaving: AbortSignal;
}

/** What is asked for over HTTP on the URLs of the WebSockets: Engine.IO's long polling, and event streams. */
export function pollingRoutes(
  http: Http,
  { engineIo, stream }: { engineIo: PollingHandler; stream: StreamDoor },
  gate: PollingGate,
): void {
  engineIo.on("connection", (connection) => {
    if (connection.readyState === "closed") return;
    gate.doorkeeper.keep(connection, connection.request);
    if (connection.transport.name === "websocket") return;
    // Only then is the socket below its WebSocket part of it: what was to become one, and did not, is still counted.
    connection.once("upgrade", () => {
      const socket = rawSocket(connection);
      if (socket) gate.doorkeeper.moveToSocket(connection, socket);
    });
  });
  void http.register((scope, _options, done) => {
    // Engine.IO reads the body itself.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, parsed) => {
      parsed(null);
    });
    const routes = [
      ["/ws/session/:session_id/:role", OPEN_STREAM],
      // Socket.IO's alone: it is among the events.
      [DEFAULT_PATH, NO_OPERATION],
    ] as const;
    for (const [url, operation] of routes) {
      const options = {
        config: { operation, allow: allowHere },
        onRequest: (request: FastifyRequest, _reply: FastifyReply, done: Done) => {
          done(whyNotBy(request));
        },
      };
      scope.all(url, options, (request, reply) => {
        const { EIO, j, sid } = prepareQuery(request.raw);
        if (!isOfEngineIo(request.raw)) {
          if (!wantsEventStream(request.raw)) throw upgradeRequired();
          if (parseAddress(request.url)?.kind === "default") throw nothingHere();
          stream(request, reply);
          return;
        }
        // A script of any page could read its answers.
        if (j !== undefined) {
          throw new HttpProblem(400, "invalid_request", "poll with XMLHttpRequest, not with JSONP");
        }
        if (sid === undefined && EIO !== REVISION) throw unsupportedRevision();
        const handle = () => {
          // Engine.IO answers; what has been decided about other origins, and about caches, must not get lost.
          for (const [name, value] of Object.entries(reply.getHeaders())) {
            if (value !== undefined && KEPT_HEADER.test(name)) reply.raw.setHeader(name, value);
          }
          reply.hijack();
          engineIo.handleRequest(request.raw, reply.raw);
        };
        if (sid !== undefined) {
          handle();
          return;
        }
        const whyNot = () =>
          gate.leaving.aborted ? goingAway() : findFullRoom(request.url, gate.isRoomFull);
        const problem = whyNot() ?? gate.doorkeeper.enterByRequest(request.raw, reply.raw);
        if (problem) throw problem;
        const enter = () => {
          // Its place has been let go of.
          if (reply.raw.destroyed) return;
          // While it waited, others may have taken the room, and this replica may have begun to go.
          const problem = whyNot();
          if (problem) void reply.send(problem);
          else handle();
        };
        gate.turnstile.pass(request.raw.socket, enter);
      });
    }
    done();
  });
}

function upgradeRequired(): HttpProblem {
  const detail =
    "this is a WebSocket: connect with a WebSocket or a Socket.IO client, or ask for a stream with Accept: text/event-stream";
  return new HttpProblem(426, "upgrade_required", detail, {
    headers: { upgrade: "websocket", connection: "Upgrade, close" },
  });
}

type Done = (error?: Error) => void;

/** Whether a request is one of long polling: at Socket.IO's own path also where it leaves out its revision, which it is told. */
function isOfEngineIo(request: IncomingMessage): boolean {
  const { EIO, transport } = prepareQuery(request);
  if (EIO !== undefined) return true;
  return transport !== undefined && parseAddress(request.url ?? "")?.kind === "default";
}

function allowHere(request: IncomingMessage): string {
  return isOfEngineIo(request) ? "GET, POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

/** Why nothing is there, or nothing is done by this method. Who begins a connection in a wrong way is told so by Engine.IO. */
function whyNotBy(request: FastifyRequest): HttpProblem | undefined {
  if (!parseAddress(request.url)) return nothingHere();
  const { raw, method } = request;
  const isBeginning = isOfEngineIo(raw) && prepareQuery(raw)["sid"] === undefined;
  const allow = allowHere(raw);
  if (isBeginning || allow.split(", ").includes(method)) return undefined;
  return notDone(request, allow);
}

function nothingHere(): HttpProblem {
  return new HttpProblem(404, "not_found", NOTHING_HERE);
}
