import { parseRole, parseSessionId, type Role, type SessionId } from "@inthon/emitter/protocol";
import { parseAddress, type Identity } from "./address.js";
import { permits, type Claims, type TokenErrorCode } from "./tokens/claims.js";

export type AdmissionErrorCode =
  "invalid_session_id" | "invalid_role" | Exclude<TokenErrorCode, "unavailable">;

const INVALID_SESSION_ID =
  "auth.session_id must be 1 to 64 characters of A-Z a-z 0-9 _ - (or a query parameter of that name)";
const INVALID_ROLE = 'auth.role must be "teacher" or "student" (or a query parameter of that name)';
/** What somebody is told whose token is for something else. */
export const WRONG_TOKEN =
  "this token is not for this session and role: use one whose session_id and role are those of the connection";

/** Why a connection was not admitted. Socket.IO sends `message` and `data` with its `connect_error`. */
export class AdmissionError extends Error {
  override readonly name = "AdmissionError";
  readonly data: { readonly code: AdmissionErrorCode };
  /** What its token says, where it is good. For the log. */
  readonly claims: Claims | undefined;

  constructor(code: AdmissionErrorCode, message: string, claims?: Claims) {
    super(message);
    this.data = { code };
    this.claims = claims;
  }
}

/** The part of Socket.IO's handshake that says who connects. */
export interface Handshake {
  readonly url: string;
  readonly auth: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
}

/**
 * Who connects: as the path says, else as the client says in `auth`, else in its query, else as its token says.
 *
 * @param claims - of its token, where it needs one: then it is nobody else than the token says
 * @throws AdmissionError
 */
export function identify(handshake: Handshake, claims?: Claims): Identity {
  const address = parseAddress(handshake.url);
  // What only publishes is nobody here, so it need not be told what else is missing.
  if (claims?.role === "publisher") throw new AdmissionError("forbidden", WRONG_TOKEN, claims);
  const identity =
    address?.kind === "session" ? address.identity : identityNamedIn(handshake, claims);
  if (claims && !permits(claims, identity))
    throw new AdmissionError("forbidden", WRONG_TOKEN, claims);
  return identity;
}

/** What somebody asked for who was not let in, as far as it can be told. */
export function askedFor({ url, auth, query }: Handshake): { session?: SessionId; role?: Role } {
  const address = parseAddress(url);
  if (address?.kind === "session") {
    return { session: address.identity.sessionId, role: address.identity.role };
  }
  const session = parseSessionId(auth["session_id"] ?? query["session_id"]);
  const role = parseRole(auth["role"] ?? query["role"]);
  return { ...(session && { session }), ...(role && { role }) };
}

function identityNamedIn({ auth, query }: Handshake, claims: Claims | undefined): Identity {
  // A token for any session names none, and `*` is no session id.
  const sessionId = parseSessionId(auth["session_id"] ?? query["session_id"] ?? claims?.sessionId);
  if (!sessionId) throw new AdmissionError("invalid_session_id", INVALID_SESSION_ID, claims);
  const role = parseRole(auth["role"] ?? query["role"] ?? claims?.role);
  if (!role) throw new AdmissionError("invalid_role", INVALID_ROLE, claims);
  return { sessionId, role };
}
