import { errors, type JWTPayload } from "jose";
import { TokenError, type Claims } from "../../classroom/tokens/claims.js";

// What somebody is told whose token is not taken: what is wrong and what to do, never what the token or the server holds.

/** The word that stands in front of a token in a header, and nowhere else. */
export const BEGINS_WITH_BEARER = /^bearer\s/i;
export const BEARER_TWICE =
  'it begins with "Bearer", which belongs there once in a header, and nowhere else';
export const HAS_BLANKS = "the token holds a blank or the end of a line: leave that out";

const CLOCKS = "look at the clocks of this server and of who made it";
const NO_TOKEN = "this is no token: a JWT is three parts with dots between them";
const SIGNATURE =
  "the token's signature is wrong: whoever signs it must have the key that this server was given, a secret byte for byte (no end of a line, no base64 undone)";

/**
 * @param algorithms - that tokens may be signed by
 * @param claimsOf - what one said that ran out
 */
export function toTokenError(
  error: unknown,
  algorithms: readonly string[],
  claimsOf: (payload: JWTPayload) => Claims | undefined,
): TokenError {
  if (error instanceof TokenError) return error;
  if (error instanceof errors.JWTExpired) {
    const ago = secondsBetween(error.payload.exp, Date.now() / 1_000);
    const message = `the token ran out ${ago} ago: come back with a fresh one; if it is one, ${CLOCKS}`;
    return new TokenError("token_expired", message, error, claimsOf(error.payload));
  }
  return new TokenError("unauthorized", problemOf(error, algorithms), error);
}

function problemOf(error: unknown, algorithms: readonly string[]): string {
  if (error instanceof errors.JWTClaimValidationFailed) return problemOfClaim(error);
  if (error instanceof errors.JWKSNoMatchingKey) {
    return "no key of this server's is the one that the token names (kid), or goes with how it is signed (alg)";
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return "the token must name its key (kid): several of this server's keys may be it";
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `the token is signed by another algorithm: this server takes ${algorithms.join(", ")}`;
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return SIGNATURE;
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return NO_TOKEN;
  return "the token's form or signature is wrong: use one that this server trusts";
}

function problemOfClaim({ claim, reason, payload }: errors.JWTClaimValidationFailed): string {
  if (reason === "missing") return "the token has no time at which it runs out: give it one (exp)";
  if (claim === "nbf" && reason === "check_failed") {
    const left = secondsBetween(Date.now() / 1_000, payload.nbf);
    return `the token is not valid yet, for another ${left} (nbf): ${CLOCKS}; nbf is in seconds since 1970`;
  }
  if (claim === "exp" || claim === "nbf" || claim === "iat") {
    return `the token's ${claim} must be a number: seconds since 1970`;
  }
  return "a claim of the token is malformed";
}

function secondsBetween(from = 0, to = 0): string {
  return `${String(Math.max(1, Math.ceil(to - from)))} s`;
}
