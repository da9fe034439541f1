import cors, { type FastifyCorsOptions } from "@fastify/cors";
import helmet from "@fastify/helmet";
import {
  fastify,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyRequest,
} from "fastify";
import type { IncomingMessage } from "node:http";
import { forEngineIo } from "../engine-io/engine-problem.js";
import { dropper, guard, listenOn } from "../guard.js";
import type { Logger } from "../../telemetry/log.js";
import type { Refusals } from "../../telemetry/refusals.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import type { Doorkeeper } from "../gate/doorkeeper.js";
import {
  checkOrigin,
  matchOrigins,
  originNotAllowed,
  pageHeaders,
  type OriginCheck,
} from "../gate/origins.js";
import type { Pace } from "../intake/pace.js";
import { HttpProblem, nothingThere } from "./problems.js";
import { answerOptions, hasDocs, notImplemented } from "./routes/methods.js";
import { noteRefusal, pathOf, protocolOf } from "./refused.js";
import { closeOnClientError, createLimitedServer, type ServerLimits } from "./server.js";

/** Fastify, as every route here uses it. */
export type Http = ReturnType<typeof createHttp>;

export interface HttpOptions {
  readonly allowedOrigins: readonly string[] | undefined;
  readonly limits: ServerLimits;
  readonly addresses: ClientAddresses;
  readonly doorkeeper: Doorkeeper;
  readonly refusals: Refusals;
  /** At which those are answered whose requests cannot be read. */
  readonly refusing: Pace;
  /** Whether this replica goes. */
  readonly isDraining: () => boolean;
}

/** A whole request but for its body is no longer: Node.js's default. */
const MAX_HEADER_BYTES = 16_384;

/** The HTTP server, with errors as problems, security headers and CORS. */
export function createHttp(log: Logger, options: HttpOptions) {
  const { allowedOrigins, limits, refusals, doorkeeper, refusing } = options;
  const drop = dropper(log);
  const sendProblem = problemSender(options);
  const forPages = pageHeaders(allowedOrigins);
  const http = fastify({
    serverFactory: (listener) => {
      const server = createLimitedServer(limits, { ...options, forPages, drop }, listener);
      doorkeeper.watch(server, drop);
      listenOn(server, drop);
      return server;
    },
    clientErrorHandler: guard(
      drop,
      (_error, socket) => socket,
      closeOnClientError(refusals, refusing),
    ),
    // Fastify would log two lines for each request.
    loggerInstance: log.child(
      {},
      { level: log.isLevelEnabled("warn") ? "warn" : log.level },
    ) as FastifyBaseLogger,
    // What is under way while the server closes is finished, and what comes is refused: by hooks (`closing.ts`).
    forceCloseConnections: false,
    return503OnClosing: false,
    // What is too long for the name of anything is told so by the route that it is asked of.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_HEADER_BYTES },
  });
  const notFound = (request: FastifyRequest) => {
    const isKnown = http.supportedMethods.includes(request.method);
    return isKnown ? nothingThere(hasDocs(http)) : notImplemented(request);
  };
  http.setErrorHandler(sendProblem);
  http.setNotFoundHandler((request) => {
    throw notFound(request);
  });
  // Where nothing is done with a body, none is read: not what somebody sends to a path that there is not, either.
  http.removeAllContentTypeParsers();
  http.addContentTypeParser("*", (_request, _payload, parsed) => {
    parsed(null);
  });
  // What is told of a class is for who asks, and is another thing a moment later. Files say so themselves where they may be kept.
  http.addHook("onRequest", (_request, reply, done) => {
    void reply.header("cache-control", "no-store");
    done();
  });
  refuseOrigins(http, checkOrigin(allowedOrigins));
  answerOptions(http, forPages);
  void http.register(cors, corsOptions(allowedOrigins));
  void http.register(helmet, {
    contentSecurityPolicy: {
      directives: {
        // Browsers differ in whether 'self' covers WebSockets.
        connectSrc: ["'self'", "ws:", "wss:"],
        // All that the page is made of is here: no style in its markup, nothing from elsewhere.
        fontSrc: ["'self'"],
        styleSrc: ["'self'"],
        // The server may be reached without TLS, on a developer's machine or behind a proxy that ends it.
        upgradeInsecureRequests: null,
      },
    },
    // Pages of other origins may load the stock client from here.
    crossOriginResourcePolicy: { policy: "cross-origin" },
    strictTransportSecurity: false,
  });
  // Behind what these say, and before a body is looked at.
  http.after(() => {
    http.addHook("onRequest", (request, _reply, done) => {
      if (request.is404) done(notFound(request));
      else done();
    });
  });
  return http;
}

/** On every route, before CORS says what is allowed. */
function refuseOrigins(http: FastifyInstance, isAllowed: OriginCheck): void {
  http.addHook("onRequest", (request, _reply, done) => {
    if (isAllowed(request.raw)) done();
    else done(refusalFor(request.raw, originNotAllowed()));
  });
}

/** In the words of what a client speaks. */
function refusalFor(request: IncomingMessage, problem: HttpProblem): HttpProblem {
  return protocolOf(request) === "polling" ? forEngineIo(problem) : problem;
}

/** Pages may send what their browser knows of them, such as a proxy's cookie, where it is known which pages those are. */
function corsOptions(allowedOrigins: readonly string[] | undefined): FastifyCorsOptions {
  if (!allowedOrigins) return { origin: "*" };
  const isAllowed = matchOrigins(allowedOrigins);
  return {
    credentials: true,
    origin: (origin, answer) => {
      answer(null, origin !== undefined && isAllowed(origin));
    },
  };
}

function notJson(): HttpProblem {
  const detail = "send JSON, with Content-Type: application/json";
  const headers = { accept: "application/json" };
  return new HttpProblem(415, "unsupported_media_type", detail, { headers });
}

type ErrorHandler = Parameters<FastifyInstance["setErrorHandler"]>[0];

function problemSender({ refusals, addresses }: HttpOptions): ErrorHandler {
  return (error, request, reply) => {
    const refused = toProblem(error as FastifyError);
    const { problem, headers, body, contentType } = refused;
    // That Redis is away is logged where it is noticed, once: not at each probe and each request that meets it.
    if (problem.status === 500)
      request.log.error({ err: error, path: pathOf(request.url) }, problem.detail);
    const { raw } = request;
    const whence = { request: raw, address: addresses.of(raw), protocol: protocolOf(raw) };
    noteRefusal(refusals, refused, whence);
    return reply.code(problem.status).headers(headers).type(contentType).send(body);
  };
}

function toProblem(error: FastifyError | HttpProblem): HttpProblem {
  if (error instanceof HttpProblem) return error;
  const status = error.statusCode ?? 500;
  if (status === 415) return notJson();
  if (status === 416) {
    return new HttpProblem(416, "invalid_request", "the file ends before this range of it begins");
  }
  if (status >= 400 && status < 500) {
    return new HttpProblem(400, "invalid_request", "the request is malformed: check its JSON");
  }
  return new HttpProblem(500, "internal_error", "something went wrong here: try again later");
}
