import type { KeyObject } from "node:crypto";
import { jwtVerify, type JWTPayload, type JWTVerifyGetKey } from "jose";
import { parseRole, parseSessionId } from "@inthon/emitter/protocol";
import { TokenError, type Claims } from "../../classroom/tokens/claims.js";
import { BEARER_TWICE, BEGINS_WITH_BEARER, HAS_BLANKS, toTokenError } from "./token-faults.js";

/** No claims of ours need more. What is longer is not looked at. */
export const MAX_TOKEN_LENGTH = 8_192;
/** How far the clocks of this server and of who issued a token may be apart. */
export const CLOCK_TOLERANCE_S = 3;
/** OpenID Connect, section 2: longer names of users there are not. */
const MAX_USER_LENGTH = 255;
/** Nobody means a token to be good for longer: it was made of milliseconds. */
const MAX_AHEAD_S = 10 * 366 * 86_400;

/** Those of nobody who connects to a session. */
const SERVICE_ROLES = ["publisher", "operator"] as const;

/** What tokens are checked with. */
export interface TrustedKeys {
  /** What they may be signed by: follows from the kind of key, never from the token. */
  readonly algorithms: readonly string[];
  readonly find: JWTVerifyGetKey;
  /** @throws NotReady where no token can be checked */
  check(): void;
}

/** One key for all tokens. */
export function oneKey(key: Uint8Array | KeyObject, algorithms: readonly string[]): TrustedKeys {
  return { algorithms, find: () => Promise.resolve(key), check: () => undefined };
}

/** Tells what a token says, if it may be believed. */
export class TokenVerifier {
  readonly #keys: TrustedKeys;

  constructor(keys: TrustedKeys) {
    this.#keys = keys;
  }

  /**
   * @param token - what a client gave as its token
   * @param advice - how this client can give one, for a client that gave none
   * @throws TokenError
   */
  async verify(token: unknown, advice: string): Promise<Claims> {
    if (token === undefined || token === null || token === "") {
      throw new TokenError("unauthorized", `a token is needed: ${advice}`);
    }
    if (typeof token !== "string" || token.length > MAX_TOKEN_LENGTH) {
      const detail = `a token is a text of at most ${String(MAX_TOKEN_LENGTH)} characters`;
      throw new TokenError("unauthorized", detail);
    }
    if (/\s/.test(token)) {
      const isTwice = BEGINS_WITH_BEARER.test(token);
      throw new TokenError("unauthorized", isTwice ? BEARER_TWICE : HAS_BLANKS);
    }
    const { algorithms, find } = this.#keys;
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, find, {
        algorithms: [...algorithms],
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ["exp"],
      }));
    } catch (error) {
      throw toTokenError(error, algorithms, claimsOfOld);
    }
    return toClaims(payload);
  }
}

function toClaims(payload: JWTPayload): Claims {
  const { session_id, sub, exp = 0 } = payload;
  if (exp - Date.now() / 1_000 > MAX_AHEAD_S) {
    throw badClaim("its exp is more than ten years ahead: exp is in seconds since 1970");
  }
  const sessionId = session_id === "*" ? "*" : parseSessionId(session_id);
  if (!sessionId) throw badClaim('its session_id must be the session\'s, or "*" for any');
  const role = SERVICE_ROLES.find((each) => each === payload["role"]) ?? parseRole(payload["role"]);
  if (!role) throw badClaim('its role must be "teacher", "student", "publisher" or "operator"');
  if (sub !== undefined && (typeof sub !== "string" || sub.length > MAX_USER_LENGTH)) {
    throw badClaim(`its sub must be a text of at most ${String(MAX_USER_LENGTH)} characters`);
  }
  return { sessionId, role, user: sub, endsAtS: Math.ceil(exp) + CLOCK_TOLERANCE_S };
}

/** Its signature has been checked, its claims have not: they may be anything. */
function claimsOfOld(payload: JWTPayload): Claims | undefined {
  try {
    return toClaims(payload);
  } catch {
    return undefined;
  }
}

function badClaim(what: string): TokenError {
  return new TokenError("unauthorized", `a claim of the token is wrong: ${what}`);
}
