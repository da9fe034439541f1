import { parseRole, parseSessionId } from "@inthon/emitter/protocol";
import { parseAddress, type Identity } from "./address.js";

export type AdmissionErrorCode = "invalid_session_id" | "invalid_role";

const MESSAGES: Record<AdmissionErrorCode, string> = {
  invalid_session_id:
    "auth.session_id must be 1 to 64 characters of A-Z a-z 0-9 _ - (or a query parameter of that name)",
  invalid_role: 'auth.role must be "teacher" or "student" (or a query parameter of that name)',
};

/** Why a connection was not admitted. Socket.IO sends `message` and `data` with its `connect_error`. */
export class AdmissionError extends Error {
  override readonly name = "AdmissionError";
  readonly data: { readonly code: AdmissionErrorCode };

  constructor(code: AdmissionErrorCode) {
    super(MESSAGES[code]);
    this.data = { code };
  }
}

/** The part of Socket.IO's handshake that says who connects. */
export interface Handshake {
  readonly url: string;
  readonly auth: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
}

/**
 * Who connects: as the path says, else as the client says in `auth`, else in its query.
 *
 * @throws AdmissionError
 */
export function identify({ url, auth, query }: Handshake): Identity {
  const address = parseAddress(url);
  if (address?.kind === "session") return address.identity;
  const sessionId = parseSessionId(auth["session_id"] ?? query["session_id"]);
  if (!sessionId) throw new AdmissionError("invalid_session_id");
  const role = parseRole(auth["role"] ?? query["role"]);
  if (!role) throw new AdmissionError("invalid_role");
  return { sessionId, role };
}
