import {
  type EmitterError,
  isClusterDown,
  isDenial,
  parseRedisState,
  refusalIn,
  toEmitterError,
  type RedisState,
} from "@inthon/emitter";
import { HttpProblem } from "../problems.js";

/** When a client may try again, after a failure that passes by itself. */
export const RETRY_AFTER = { "retry-after": "1" };

const STATES: Readonly<Record<RedisState | "unavailable", string>> = {
  unavailable: "Redis did not answer in time",
  redis_full: "Redis has no memory left: give it more",
  redis_read_only: "Redis takes no writes now, as a replica or for want of a disk",
  redis_loading: "Redis is loading its data, or has lost its primary",
  redis_lacks_replicas: "Redis has fewer replicas than it needs to take writes",
  redis_not_replicated: "Too few replicas of Redis have it",
};

const CLUSTER_DOWN =
  "the Redis Cluster refuses all rooms: a slot has no master and cluster-require-full-coverage is yes, or most of its masters are away";
const DENIED =
  "Redis denies this server what it needs: see the README for its rights, and the server's log";
const REFUSED =
  "Redis refuses what this server asks of the session: something else uses its keys, see the server's log";

/** What somebody is told who asks, where Redis does not answer just now. */
export function unavailable(cause: unknown): HttpProblem {
  const error = toEmitterError(cause);
  if (error.code === "rejected") return refused(error);
  const { state, detail } = stateOf(error);
  return new HttpProblem(503, state, `${detail}: try again`, { headers: RETRY_AFTER, cause });
}

/**
 * What a publisher is told whose events Redis has not confirmed: whether any of them may have been published, and whether
 * it helps to send them again.
 */
export function unconfirmed(error: EmitterError): HttpProblem {
  if (error.code === "rejected") return refused(error, "; nothing of this was published");
  const { idempotencyKey } = error;
  const repeat = `repeat the request with ${idempotencyKey === undefined ? "the same Idempotency-Key" : `the header Idempotency-Key: ${idempotencyKey}`}`;
  const refusal = error.retryable ? refusalIn(error) : undefined;
  if (refusal) {
    const { problem } = refused(refusal);
    const detail = `some of it may be published, and the rest is refused. ${problem.detail}; when that is mended, ${repeat}`;
    return new HttpProblem(500, "redis_refuses_part", detail, { cause: error, idempotencyKey });
  }
  const details = { headers: RETRY_AFTER, cause: error, idempotencyKey };
  if (error.code === "closed") {
    const detail = `this replica goes: some of it may be published, ${repeat}, and another one answers`;
    return new HttpProblem(503, "draining", detail, details);
  }
  const { state, detail } = stateOf(error);
  return new HttpProblem(503, state, `${detail}. Some of it may be published: ${repeat}`, details);
}

/** What does not pass by itself. */
function refused(refusal: EmitterError, outcome = ""): HttpProblem {
  return isDenial(refusal)
    ? new HttpProblem(500, "redis_denies_access", `${DENIED}${outcome}`, { cause: refusal })
    : new HttpProblem(500, "redis_refuses", `${REFUSED}${outcome}`, { cause: refusal });
}

function stateOf(error: EmitterError): {
  state: RedisState | "unavailable";
  detail: string;
} {
  const state = parseRedisState(error.code) ?? "unavailable";
  return { state, detail: isClusterDown(error) ? CLUSTER_DOWN : STATES[state] };
}
