import type { IncomingMessage } from "node:http";
import { parseSessionId } from "@inthon/emitter/protocol";
import { parseAddress } from "../../classroom/address.js";
import { TokenError } from "../../classroom/tokens/claims.js";
import { urlDetail } from "../../classroom/whom.js";
import { boundedText } from "../../telemetry/bounded-text.js";
import type { Protocol } from "../../telemetry/labels.js";
import type { RefusalCode, RefusalDetail, Refusals } from "../../telemetry/refusals.js";
import { prepareQuery } from "../request-query.js";
import { wantsEventStream } from "./requests.js";
import type { ProblemCode } from "./problem-codes.js";
import type { HttpProblem } from "./problems.js";

/** More than any address of ours has; a token that got into a path is not told whole. */
const MAX_PATH_LENGTH = 96;

/** What was asked for is told where nothing has that address. */
const NOWHERE: ReadonlySet<RefusalCode> = new Set(["not_found", "invalid_session_id"]);

/**
 * The problems that are counted: who has met them came too often, brought too much, is not welcome, or has the address of
 * nothing. What is wrong with an event its publisher is told, and nobody else waits for it.
 */
const COUNTED: Partial<Readonly<Record<ProblemCode, RefusalCode>>> = {
  unauthorized: "unauthorized",
  token_expired: "token_expired",
  forbidden: "forbidden",
  origin_not_allowed: "origin_not_allowed",
  payload_too_large: "too_large",
  overloaded: "overloaded",
  too_many_connections: "too_many_connections",
  too_many_new_connections: "too_many_new_connections",
  not_found: "not_found",
  upgrade_required: "upgrade_required",
  invalid_session_id: "invalid_session_id",
  invalid_request: "invalid_request",
};

function refusalOf({ code }: TokenError): RefusalCode {
  return code === "unavailable" ? "token_unchecked" : code;
}

/** A request that is refused: `protocol` is by what its client wanted to connect, or `http`. */
export interface RefusedRequest {
  readonly request: IncomingMessage;
  /** Its client's. */
  readonly address: string | undefined;
  readonly protocol: Protocol | "http";
}

/** To be called once for each request that is answered with a problem. */
export function noteRefusal(
  refusals: Refusals,
  { problem, cause, known }: HttpProblem,
  { request, address, protocol }: RefusedRequest,
): void {
  // Redis may be what is unavailable, too: that is nobody's fault who asks.
  const refusal = cause instanceof TokenError ? refusalOf(cause) : COUNTED[problem.code];
  if (!refusal) return;
  const { url = "", headers } = request;
  refusals.note(refusal, () => ({
    ...urlDetail(url),
    ...sessionIn(url),
    ...known,
    address,
    protocol,
    ...(refusal === "origin_not_allowed" && { origin: headers.origin }),
    ...(NOWHERE.has(refusal) && { path: pathOf(url) }),
    why: problem.detail,
  }));
}

/** By what the client of a request over HTTP wants to connect, if it does. */
export function protocolOf(request: IncomingMessage): "polling" | "event-stream" | "http" {
  if (prepareQuery(request)["EIO"] !== undefined) return "polling";
  const isForStream = wantsEventStream(request) && parseAddress(request.url ?? "") !== undefined;
  return isForStream ? "event-stream" : "http";
}

/** The session that a URL of the HTTP interface names. */
export function sessionIn(url = ""): RefusalDetail {
  const session = parseSessionId(/^\/sessions\/([^/?]+)/.exec(url)?.[1]);
  return session ? { session } : {};
}

/** What a URL names, as far as it may be an address of ours: no more of what else somebody has put there. */
export function pathOf(url: string): string {
  return boundedText(/^[\w./:~-]*/.exec(url)?.[0] ?? "", MAX_PATH_LENGTH);
}
