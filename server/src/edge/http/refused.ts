import type { RefusalCode, Refusals } from "../../telemetry/refusals.js";
import { TokenError } from "../../classroom/tokens/claims.js";
import type { HttpProblem, ProblemCode } from "./problems.js";

/** The problems that are counted: who has met them came too often, brought too much, or is not welcome. */
const COUNTED: Partial<Readonly<Record<ProblemCode, RefusalCode>>> = {
  unauthorized: "unauthorized",
  token_expired: "token_expired",
  forbidden: "forbidden",
  origin_not_allowed: "origin_not_allowed",
  payload_too_large: "too_large",
  too_many_connections: "too_many_connections",
  too_many_new_connections: "too_many_new_connections",
};

function refusalOf({ code }: TokenError): RefusalCode {
  return code === "unavailable" ? "token_unchecked" : code;
}

/**
 * To be called once for each request that is answered with a problem.
 *
 * @param address - its client's
 */
export function noteRefusal(
  refusals: Refusals,
  { problem, cause }: HttpProblem,
  address: string | undefined,
): void {
  // Redis may be what is unavailable, too: that is nobody's fault who asks.
  const refusal = cause instanceof TokenError ? refusalOf(cause) : COUNTED[problem.code];
  if (refusal) refusals.note(refusal, { address });
}
