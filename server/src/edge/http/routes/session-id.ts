import { parseSessionId, type SessionId } from "@inthon/emitter/protocol";
import { HttpProblem } from "../problems.js";

export interface SessionParams {
  session_id: string;
}

/** @throws HttpProblem 404 where the path names no possible session */
export function sessionIdOf(request: { params: SessionParams }): SessionId {
  const sessionId = parseSessionId(request.params.session_id);
  if (sessionId) return sessionId;
  const detail = "a session id is 1 to 64 characters of A-Z a-z 0-9 _ -";
  throw new HttpProblem(404, "invalid_session_id", detail);
}

/** When a client may try again, after a failure that passes by itself. */
export const RETRY_AFTER = { "retry-after": "1" };

/** What a reader is told while Redis is away. */
export function unavailable(cause: unknown): HttpProblem {
  return new HttpProblem(503, "unavailable", "Redis cannot be reached: try again", {
    headers: RETRY_AFTER,
    cause,
  });
}
