import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { urlDetail } from "../../classroom/whom.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import type { PageHeaders } from "../gate/origins.js";
import { guard, type Drop } from "../guard.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { FirstRequests } from "../intake/first-requests.js";
import type { Pace } from "../intake/pace.js";
import { WaitingList } from "../intake/waiting-list.js";
import { Answer, UnreadAnswers, type AnswersHome } from "./answer.js";
import { Conversation, conversationOn } from "./conversation.js";
import { endUnread, lastAnswer, refuse as answerAndEnd } from "./last-words.js";
import { HttpProblem } from "./problems.js";
import { noteRefusal, protocolOf, sessionIn } from "./refused.js";
import { notImplemented } from "./routes/methods.js";
import {
  ClassroomRequest,
  decodable,
  findMisuse,
  inOriginForm,
  isBehindOthers,
  isTooMany,
} from "./requests.js";

/** Longer than load balancers keep a connection without requests (60 s and less): they close it, not we. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** At least so often is looked for requests that take too long. */
const CHECK_INTERVAL_MS = 1_000;
/** Node.js's codes of what is wrong with a request: it came too slowly, or its parser (`HPE_`) does not take it. */
const IS_REQUEST = /^(ERR_HTTP_REQUEST_TIMEOUT$|HPE_)/;

export interface ServerLimits {
  /** How long the headers of a request may take to come. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to come, and its answer to be read. */
  readonly requestTimeoutMs: number;
  /** Bytes of all answers that wait for their clients. */
  readonly maxAnswersBytes: number;
  /** Requests of one connection in a second, over a longer time. */
  readonly requestsPerS: number;
  /** Requests of one connection at once. */
  readonly requestsBurst: number;
}

export interface ServerParts {
  readonly addresses: ClientAddresses;
  readonly refusals: Refusals;
  /** The headers by which a page may read its answer. */
  readonly forPages?: PageHeaders;
  /** Whether each answer is the last one on its connection. */
  readonly isDraining: () => boolean;
  readonly drop: Drop;
}

/**
 * An HTTP server on which a request has its time, and a connection its share.
 *
 * @param listener - its errors are caught by nobody else, and cost the connection
 */
export function createLimitedServer(
  limits: ServerLimits,
  { addresses, refusals, forPages, isDraining, drop }: ServerParts,
  listener: RequestListener,
): Server {
  const { headersTimeoutMs, requestTimeoutMs } = limits;
  const refuse = (
    code: "slow_reader" | "too_many_messages",
    request: IncomingMessage,
    why: string,
  ) => {
    const { url } = request;
    refusals.note(code, () => ({
      ...urlDetail(url),
      ...sessionIn(url),
      protocol: "http",
      address: addresses.of(request),
      why,
    }));
  };
  const home: AnswersHome = {
    isDraining,
    timeoutMs: requestTimeoutMs,
    unread: new UnreadAnswers(limits.maxAnswersBytes),
    onSlowReader: (request) => {
      refuse("slow_reader", request, "its answer was not read in time");
    },
  };
  const conversing = {
    rate: { perS: limits.requestsPerS, burst: limits.requestsBurst },
    waiting: new WaitingList(drop),
  };
  const socketOf = ({ socket }: IncomingMessage) => socket;
  const begin = (request: IncomingMessage, response: InstanceType<typeof Answer>) => {
    const problem = findMisuse(request);
    if (!problem) {
      listener(request, response);
      return;
    }
    const whence = { request, address: addresses.of(request), protocol: protocolOf(request) };
    noteRefusal(refusals, problem, whence);
    answerWith(response, problem, forPages?.(request));
  };
  const beginSafely = guard<Parameters<typeof begin>>(drop, socketOf, begin);
  const first = new FirstRequests();
  const take = (request: IncomingMessage, response: InstanceType<typeof Answer>) => {
    const { socket } = request;
    first.asked(socket);
    if (socket.destroyed) return;
    request.url = decodable(inOriginForm(request.url ?? "/"));
    response.home = home;
    const turn = {
      begin: () => {
        beginSafely(request, response);
      },
      refuse: () => {
        const problem = tooMany();
        refuse("too_many_messages", request, problem.message);
        answerWith(response, problem, forPages?.(request));
      },
    };
    if (Conversation.of(socket, conversing).add(response, turn)) return;
    refuse("too_many_messages", request, TOO_MANY_AT_ONCE);
    socket.destroy();
  };
  const receive = guard<Parameters<typeof take>>(drop, socketOf, take);
  const server = createServer(
    {
      // What Node.js answers by itself has no turn, is not counted, and not logged.
      requireHostHeader: false,
      IncomingMessage: ClassroomRequest,
      ServerResponse: Answer,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      // Node.js does not start where the headers may take longer than the whole.
      headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, headersTimeoutMs, requestTimeoutMs),
    },
    receive,
  );
  // Who asks before it sends a body is told to go on where one is read, and nowhere else.
  server.on("checkContinue", receive);
  server.on("checkExpectation", receive);
  server.on("connection", (socket) => {
    first.come(socket);
  });
  server.on("clientError", (_error, socket) => {
    first.forget(socket);
  });
  /** Of those who ask for another protocol. */
  const turnAway = (request: IncomingMessage, socket: Duplex, problem: HttpProblem) => {
    if (isBehindOthers(request)) {
      socket.destroy();
      return;
    }
    socket.on("error", destroy);
    answerAndEnd(socket, problem);
  };
  const takeUpgrade = (request: IncomingMessage, socket: Duplex) => {
    first.asked(request.socket);
    if (isTooMany(request)) {
      refuse("too_many_messages", request, TOO_MANY_AT_ONCE);
      socket.destroy();
    } else if (server.listenerCount("upgrade") === 1) {
      // Else it is for whoever takes upgrades.
      turnAway(request, socket, new HttpProblem(404, "not_found", "there are no WebSockets here"));
    }
  };
  const takeConnect = (request: IncomingMessage, socket: Duplex) => {
    first.asked(request.socket);
    const problem = new HttpProblem(400, "invalid_request", "this is no proxy");
    noteRefusal(refusals, problem, { request, address: addresses.of(request), protocol: "http" });
    turnAway(request, socket, problem);
  };
  for (const [event, take] of [
    ["upgrade", takeUpgrade],
    ["connect", takeConnect],
  ] as const) {
    server.on(
      event,
      guard(drop, (_request, socket) => socket, take),
    );
  }
  return server;
}

const TOO_MANY_AT_ONCE =
  "more requests were sent on one connection than may wait for their answers";

function tooMany(): HttpProblem {
  const detail = "this connection asks for more than it may: wait a second, and ask less often";
  return new HttpProblem(429, "too_many_messages", detail, { headers: { "retry-after": "1" } });
}

function answerWith(
  response: Answer,
  { problem, headers, body, contentType }: HttpProblem,
  forPages: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(problem.status, { ...headers, ...forPages, "content-type": contentType });
  response.end(body);
}

/**
 * What Node.js could not read, or not in time: answers if it still can, and closes the connection.
 *
 * @param refusing - at which those are answered
 */
export function closeOnClientError(refusals: Refusals, refusing: Pace) {
  /** Those that wait for their answer, or have had it: what else is wrong with them was theirs to see. */
  const refusedAlready = new WeakSet<Socket>();
  return (error: ClientError, socket: Socket): void => {
    if (refusedAlready.has(socket)) return;
    refusedAlready.add(socket);
    const refused = problemOf(error);
    const { code, detail: why } = refused.problem;
    const { remoteAddress: address } = socket;
    // Else the connection broke.
    if (IS_REQUEST.test(error.code ?? "")) {
      const refusal = code === "request_timeout" ? code : "invalid_request";
      refusals.note(refusal, { protocol: "http", address, why });
    }
    if (!socket.writable || error.code === "ECONNRESET" || isAnswering(socket)) {
      socket.destroy();
      return;
    }
    // What comes now would be no request either. In the next tick, as it may be about to be resumed.
    process.nextTick(() => {
      socket.pause();
    });
    refusing.pass(socket, () => {
      // Meanwhile its answer may have begun.
      if (isAnswering(socket) || !socket.writable) {
        socket.destroy();
        return;
      }
      socket.write(lastAnswer(refused));
      endUnread(socket);
    });
  };
}

function destroy(this: Duplex): void {
  this.destroy();
}

/** Whether a request that has come whole waits for its answer, or an answer has begun: another one must not come before it. */
function isAnswering(socket: Socket): boolean {
  const [oldest, ...others] = conversationOn(socket)?.unanswered ?? [];
  return others.length > 0 || oldest?.headersSent === true || oldest?.req.complete === true;
}

/** As Node.js tells it: with what came last, where that could not be read. */
interface ClientError extends NodeJS.ErrnoException {
  readonly rawPacket?: unknown;
}

const MAX_LINE_BYTES = 2_048;
/** A request line, whose method may be one that Node.js does not know. */
const REQUEST_LINE = /^([!#$%&'*+.^_`|~\w-]{1,32}) \S+ HTTP\/1\.[01]\r?\n/;

function problemOf({ code, rawPacket }: ClientError): HttpProblem {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new HttpProblem(408, "request_timeout", "the request took too long: send it at once");
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    return new HttpProblem(431, "invalid_request", "the request's headers are too long");
  }
  const begins = Buffer.isBuffer(rawPacket) ? rawPacket.toString("latin1", 0, MAX_LINE_BYTES) : "";
  const method = code === "HPE_INVALID_METHOD" ? REQUEST_LINE.exec(begins)?.[1] : undefined;
  if (method !== undefined) return notImplemented({ method });
  return new HttpProblem(400, "invalid_request", "this is not a request of HTTP/1.1");
}
