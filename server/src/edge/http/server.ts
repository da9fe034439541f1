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
import { urlDetail } from "../../classroom/whom.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { endUnread, lastAnswer } from "./last-words.js";
import { HttpProblem } from "./problems.js";
import { ClassroomRequest, inOriginForm } from "./requests.js";

/** Longer than load balancers keep a connection without requests (60 s and less): they close it, not we. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** At least so often is looked for requests that take too long. */
const CHECK_INTERVAL_MS = 1_000;
/**
 * Requests of one connection that wait for their answers. Nobody but benchmarks sends a request before the last one is
 * answered; and Node.js takes as many as it has read, 2,000 and more, in one turn of the event loop.
 */
const MAX_UNANSWERED = 8;

/** Node.js's codes of what is wrong with a request: it came too slowly, or its parser (`HPE_`) does not take it. */
const IS_REQUEST = /^(ERR_HTTP_REQUEST_TIMEOUT$|HPE_)/;

/** The answers of each connection that have not been handed on, in the order of their requests. */
const unanswered = new WeakMap<Socket, Set<Answer>>();

/** What all answers of a server share. */
interface AnswersHome {
  /** Whether this replica goes: whoever asks next is to ask another one, rather than on a connection that is about to end. */
  isDraining(): boolean;
  /** How long an answer may wait for its client, in ms. */
  readonly timeoutMs: number;
  /** What may wait for one connection where that is more than one answer, in bytes. */
  readonly maxBytes: number;
  onSlowReader(request: IncomingMessage): void;
}

/**
 * An answer that refuses is the last one on its connection, and so is one to a request that has not come whole, and any
 * answer of a replica that goes. Whoever does not read its answers is cut.
 */
class Answer<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  home: AnswersHome | undefined;
  #giveUp: NodeJS.Timeout | undefined;

  override writeHead(
    status: number,
    reason?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
    headers?: OutgoingHttpHeaders | OutgoingHttpHeader[],
  ): this {
    if (status >= 400 || this.home?.isDraining() === true) this.shouldKeepAlive = false;
    return typeof reason === "string"
      ? super.writeHead(status, reason, headers)
      : super.writeHead(status, reason ?? headers);
  }

  override end(chunk?: unknown, encoding?: unknown, onEnd?: unknown): this {
    super.end(chunk, encoding as BufferEncoding, onEnd as () => void);
    // Most are taken by the kernel at once.
    if (this.writableLength > 0) this.#waitForReader();
    return this;
  }

  /** Called by Node.js when the answer has been handed on. */
  override detachSocket(socket: Socket): void {
    super.detachSocket(socket);
    clearTimeout(this.#giveUp);
    unanswered.get(socket)?.delete(this);
    if (!this.req.complete) endUnread(socket);
  }

  #waitForReader(): void {
    const { home } = this;
    const { socket } = this.req;
    if (!home || socket.destroyed) return;
    const waiting = [...(unanswered.get(socket) ?? [])];
    const bytes = waiting.reduce((sum, answer) => sum + answer.writableLength, 0);
    const cut = () => {
      if (socket.destroyed) return;
      home.onSlowReader(this.req);
      socket.destroy();
    };
    // What is alone has to go out, however long it is.
    if (waiting.length > 1 && bytes > home.maxBytes) cut();
    else this.#giveUp ??= setTimeout(cut, home.timeoutMs).unref();
  }
}

export interface ServerLimits {
  /** How long the headers of a request may take to come. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to come, and its answer to be read. */
  readonly requestTimeoutMs: number;
  /** Bytes of answers that may wait for one connection. */
  readonly maxUnreadBytes: number;
}

/**
 * An HTTP server on which a request has its time, and a connection its share.
 *
 * @param isDraining - whether each answer is the last one on its connection
 */
export function createLimitedServer(
  { headersTimeoutMs, requestTimeoutMs, maxUnreadBytes }: ServerLimits,
  addresses: ClientAddresses,
  refusals: Refusals,
  isDraining: () => boolean,
  listener: RequestListener,
): Server {
  const refuse = (code: "slow_reader" | "too_many_messages", request: IncomingMessage) => {
    const { url } = request;
    refusals.note(code, { ...urlDetail(url), protocol: "http", address: addresses.of(request) });
  };
  const home: AnswersHome = {
    isDraining,
    timeoutMs: requestTimeoutMs,
    maxBytes: maxUnreadBytes,
    onSlowReader: (request) => {
      refuse("slow_reader", request);
    },
  };
  return createServer(
    {
      IncomingMessage: ClassroomRequest,
      ServerResponse: Answer,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      // Node.js does not start where the headers may take longer than the whole.
      headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, headersTimeoutMs, requestTimeoutMs),
    },
    (request, response) => {
      const { socket } = request;
      if (socket.destroyed) return;
      request.url = inOriginForm(request.url ?? "/");
      response.home = home;
      if (takesItsTurn(socket, response)) {
        listener(request, response);
      } else {
        refuse("too_many_messages", request);
        socket.destroy();
      }
    },
  );
}

function takesItsTurn(socket: Socket, answer: Answer): boolean {
  const waiting = unanswered.get(socket);
  if (waiting) waiting.add(answer);
  else unanswered.set(socket, new Set([answer]));
  return (waiting?.size ?? 1) <= MAX_UNANSWERED;
}

/** What Node.js could not read, or not in time: answers if it still can, and closes the connection. */
export function closeOnClientError(refusals: Refusals) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    const refused = problemOf(error.code);
    const { code, detail: why } = refused.problem;
    const { remoteAddress: address } = socket;
    // Else the connection broke.
    if (IS_REQUEST.test(error.code ?? "")) {
      const refusal = code === "request_timeout" ? code : "invalid_request";
      refusals.note(refusal, { protocol: "http", address, why });
    }
    if (socket.writable && error.code !== "ECONNRESET" && !isAnswering(socket)) {
      socket.write(lastAnswer(refused));
    }
    socket.destroy();
  };
}

/** Whether an answer has begun, into which another one must not be written. */
function isAnswering(socket: Socket): boolean {
  const waiting = unanswered.get(socket);
  if (!waiting || waiting.size === 0) return false;
  const [oldest] = waiting;
  return waiting.size > 1 || oldest?.headersSent === true;
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
