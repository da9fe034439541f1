import { isDenial, parseRedisState, toEmitterError, type RedisState } from "@inthon/emitter";
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

const STATES: Readonly<Record<RedisState | "unavailable", string>> = {
  unavailable: "Redis cannot be reached",
  redis_full: "Redis has no memory left: give it more",
  redis_read_only: "Redis takes no writes now, as a replica or for want of a disk",
  redis_loading: "Redis is loading its data, or has lost its primary",
  redis_lacks_replicas: "Redis has fewer replicas than it needs to take writes",
};

const DENIED = [
  "redis_denies_access",
  "Redis denies this server what it needs: see the README for its rights, and the server's log",
] as const;
const REFUSED = [
  "redis_refuses",
  "Redis refuses what this server asks of the session: something else uses its keys, see the server's log",
] as const;

/**
 * What somebody is told whom Redis does not serve just now.
 *
 * @param advice - what to do, behind what is wrong
 */
export function unavailable(cause: unknown, advice = "try again"): HttpProblem {
  const { code } = toEmitterError(cause);
  if (code === "rejected") {
    const [what, detail] = isDenial(cause) ? DENIED : REFUSED;
    return new HttpProblem(500, what, detail, { cause });
  }
  const state = parseRedisState(code) ?? "unavailable";
  return new HttpProblem(503, state, `${STATES[state]}: ${advice}`, {
    headers: RETRY_AFTER,
    cause,
  });
}
