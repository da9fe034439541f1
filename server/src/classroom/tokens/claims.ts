import type { Role, SessionId } from "@inthon/emitter/protocol";
import type { Identity } from "../address.js";

/** What a token says of who holds it, once its signature has been checked. */
export interface Claims {
  /** The session that it is for; `*` for any. */
  readonly sessionId: SessionId | "*";
  readonly role: Role | "publisher";
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

  constructor(code: TokenErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = code === "unavailable";
  }
}
