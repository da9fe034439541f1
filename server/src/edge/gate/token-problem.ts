import { TokenError } from "../../classroom/tokens/claims.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { HttpProblem } from "../http/problems.js";

/** Why somebody is not let in, as HTTP says it (RFC 6750, section 3), counted where it is not our own fault. */
export function tokenProblem(
  error: unknown,
  refusals: Pick<Refusals, "note">,
  whom: Readonly<Record<string, string | undefined>>,
): unknown {
  if (!(error instanceof TokenError)) return error;
  const { code, message } = error;
  switch (code) {
    case "unauthorized":
    case "token_expired": {
      refusals.note(code, whom);
      const challenge = error.cause === undefined ? "Bearer" : 'Bearer error="invalid_token"';
      return new HttpProblem(401, code, message, { headers: { "www-authenticate": challenge } });
    }
    case "forbidden": {
      refusals.note(code, whom);
      const headers = { "www-authenticate": 'Bearer error="insufficient_scope"' };
      return new HttpProblem(403, code, message, { headers });
    }
    case "unavailable":
      return new HttpProblem(503, code, message, { headers: { "retry-after": "1" }, cause: error });
  }
}
