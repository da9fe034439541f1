import type { RefusalCode, Refusals } from "../../telemetry/refusals.js";
import type { Problem, ProblemCode } from "./problems.js";

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

/**
 * To be called once for each request that is answered with a problem.
 *
 * @param address - its client's
 */
export function noteRefusal(
  refusals: Refusals,
  { code }: Problem,
  address: string | undefined,
): void {
  const refusal = COUNTED[code];
  if (refusal) refusals.note(refusal, { address });
}
