import type { AdmissionErrorCode } from "../../classroom/identify.js";
import type { EndReason } from "../../telemetry/labels.js";

/**
 * The text of a close frame: why the connection ends, as the log has it; why its client is not let in; or `unavailable`, where
 * this replica cannot serve it just now and there is no more to say.
 */
export type CloseWord = EndReason | AdmissionErrorCode | "unavailable";

/**
 * The code of a close frame, by its text, which is far below the 123 bytes that it may have (RFC 6455, section 5.5). Every close
 * frame of ours is one of these (PROTOCOL.md, section 8), and `/docs` has all of them.
 */
export const CLOSE_CODES = {
  session_ended: 1000,
  too_many_messages: 1008,
  unknown_namespace: 1008,
  invalid_session_id: 1008,
  invalid_role: 1008,
  unauthorized: 1008,
  forbidden: 1008,
  too_large: 1009,
  history_lost: 1012,
  draining: 1012,
  unavailable: 1012,
  ping_timeout: 1012,
  slow_reader: 1013,
  overloaded: 1013,
  token_expired: 4401,
} as const satisfies Readonly<Record<CloseWord, number>>;

/** The word that a code of ours is; `unavailable` for what is none: its client may come back. */
export function closeWordOf(code: string | undefined): CloseWord {
  return code !== undefined && Object.hasOwn(CLOSE_CODES, code)
    ? (code as CloseWord)
    : "unavailable";
}
