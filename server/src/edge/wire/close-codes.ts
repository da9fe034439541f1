import type { EndReason } from "../../telemetry/labels.js";

/**
 * The code of a close frame, by why a connection ends (PROTOCOL.md, section 8). Its text is the reason itself, which is far
 * below the 123 bytes that it may have (RFC 6455, section 5.5).
 */
export const CLOSE_CODES: Readonly<Record<EndReason, number>> = {
  session_ended: 1000,
  too_many_messages: 1008,
  unknown_namespace: 1008,
  too_large: 1009,
  history_lost: 1012,
  draining: 1012,
  ping_timeout: 1012,
  slow_reader: 1013,
  overloaded: 1013,
  token_expired: 4401,
};
