import type { Role, SessionId } from "@inthon/emitter/protocol";
import type { RefusalDetail } from "../../telemetry/refusals.js";
import type { Identity } from "../address.js";

/** What a token says of who holds it, once its signature has been checked. */
export interface Claims {
  /** The session that it is for; `*` for any. */
  readonly sessionId: SessionId | "*";
  readonly role: Role | "publisher" | "operator";
  /** Who it was issued to, for logs. */
  readonly user: string | undefined;
  /** When what it allowed is over, in seconds since 1970. */
  readonly endsAtS: number;
}

/** Whether who holds a token may be who it wants to be. */
export function permits(claims: Claims, { sessionId, role }: Identity): boolean {
  return claims.role === role && isForSession(claims, sessionId);
}

/** @param sessionId - as somebody named it */
export function isForSession(claims: Claims, sessionId: unknown): boolean {
  return claims.sessionId === "*" || claims.sessionId === sessionId;
}

/** What a line of the log says of a token. */
export function claimDetail(claims: Claims | undefined): RefusalDetail {
  if (!claims) return {};
  return { user: claims.user, token_session: claims.sessionId, token_role: claims.role };
}

export type TokenErrorCode =
  /** There is none, or it is not a token that this server trusts. */
  | "unauthorized"
  /** It was good, and has run out. */
  | "token_expired"
  /** It is good, and not for this. */
  | "forbidden"
  /** The keys to check it with cannot be had just now. */
  | "unavailable";

/** Why a token does not let somebody in. Its message is for whoever sent it, and says what to do. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: TokenErrorCode;
  /** Whether the same token may do later. */
  readonly retryable: boolean;
  /** What the token says, where it is good but for what it is used for, or when. For the log. */
  readonly claims: Claims | undefined;

  constructor(code: TokenErrorCode, message: string, cause?: unknown, claims?: Claims) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.claims = claims;
    this.retryable = code === "unavailable";
  }
}
