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
