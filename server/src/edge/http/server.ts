import {
  createServer,
  ServerResponse,
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  type RequestListener,
  type Server,
} from "node:http";
import type { Socket } from "node:net";
import type { Refusals } from "../../telemetry/refusals.js";
import { endUnread, lastAnswer } from "./last-words.js";
import { HttpProblem } from "./problems.js";

/** Longer than load balancers keep a connection without requests (60 s and less): they close it, not we. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** At least so often is looked for requests that take too long. */
const CHECK_INTERVAL_MS = 1_000;
/**
 * Requests of one connection that wait for their answers. Nobody but benchmarks sends a request before the last one is
 * answered; and Node.js takes as many as it has read, 2,000 and more, in one turn of the event loop.
 */
const MAX_UNANSWERED = 8;

const unanswered = new WeakMap<Socket, number>();
/** The answer to the last request of each. */
const newest = new WeakMap<Socket, ServerResponse>();

/** An answer that refuses is the last one on its connection, and so is one to a request that has not come whole. */
class Answer extends ServerResponse {
  override writeHead(
    status: number,
    reason?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
    headers?: OutgoingHttpHeaders | OutgoingHttpHeader[],
  ): this {
    if (status >= 400) this.shouldKeepAlive = false;
    return typeof reason === "string"
      ? super.writeHead(status, reason, headers)
      : super.writeHead(status, reason ?? headers);
  }

  /** Called by Node.js when the answer has been handed on. */
  override detachSocket(socket: Socket): void {
    super.detachSocket(socket);
    unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1);
    if (!this.req.complete) endUnread(socket);
  }
}

export interface ServerLimits {
  /** How long the headers of a request may take to come. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to come. */
  readonly requestTimeoutMs: number;
}

/** An HTTP server on which a request has its time, and a connection its share. */
export function createLimitedServer(
  { headersTimeoutMs, requestTimeoutMs }: ServerLimits,
  refusals: Refusals,
  listener: RequestListener,
): Server {
  return createServer(
    {
      ServerResponse: Answer,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      // Node.js does not start where the headers may take longer than the whole.
      headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, headersTimeoutMs, requestTimeoutMs),
    },
    (request, response) => {
      if (!takesItsTurn(request, refusals)) return;
      newest.set(request.socket, response);
      listener(request, response);
    },
  );
}

function takesItsTurn({ socket }: IncomingMessage, refusals: Refusals): boolean {
  if (socket.destroyed) return false;
  const count = (unanswered.get(socket) ?? 0) + 1;
  unanswered.set(socket, count);
  if (count <= MAX_UNANSWERED) return true;
  refusals.note("too_many_messages", { protocol: "http", address: socket.remoteAddress });
  socket.destroy();
  return false;
}

/** What Node.js could not read, or not in time: answers if it still can, and closes the connection. */
export function closeOnClientError(refusals: Refusals) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
      refusals.note("request_timeout", { address: socket.remoteAddress });
    }
    if (socket.writable && error.code !== "ECONNRESET" && !isAnswering(socket)) {
      socket.write(lastAnswer(problemOf(error.code)));
    }
    socket.destroy();
  };
}

/** Whether an answer has begun, into which another one must not be written. */
function isAnswering(socket: Socket): boolean {
  const count = unanswered.get(socket) ?? 0;
  return count > 1 || (count === 1 && newest.get(socket)?.headersSent === true);
}

function problemOf(code: string | undefined): HttpProblem {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new HttpProblem(408, "request_timeout", "the request took too long: send it at once");
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    return new HttpProblem(431, "invalid_request", "the request's headers are too long");
  }
  return new HttpProblem(400, "invalid_request", "this is not a request of HTTP/1.1");
}
