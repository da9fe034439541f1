import { claimDetail, TokenError } from "../../classroom/tokens/claims.js";
import { HttpProblem } from "../http/problems.js";

/** Why somebody is not let in, as HTTP says it (RFC 6750, section 3). What is no `TokenError` comes back as it is. */
export function tokenProblem(error: unknown): unknown {
  if (!(error instanceof TokenError)) return error;
  const { code, message } = error;
  const known = claimDetail(error.claims);
  switch (code) {
    case "unauthorized":
    case "token_expired": {
      const challenge = error.cause === undefined ? "Bearer" : 'Bearer error="invalid_token"';
      const headers = { "www-authenticate": challenge };
      return new HttpProblem(401, code, message, { headers, known });
    }
    case "forbidden": {
      const headers = { "www-authenticate": 'Bearer error="insufficient_scope"' };
      return new HttpProblem(403, code, message, { headers, known });
    }
    case "unavailable":
      return new HttpProblem(503, code, message, { headers: { "retry-after": "1" }, cause: error });
  }
}
