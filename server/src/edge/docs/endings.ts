import type { AdmissionErrorCode } from "../../classroom/identify.js";
import { CLOSE_CODES, type CloseWord } from "../wire/close-codes.js";
import type { JsonSchema } from "./plain-schema.js";

/** What a client does by each code of a close frame. */
const WHAT_TO_DO: Readonly<Record<(typeof CLOSE_CODES)[CloseWord], string>> = {
  1000: "stay away",
  1008: "stay away",
  1009: "send shorter frames; it may come back",
  1012: "come back at once, to any replica",
  1013: "come back later, and resume",
  4401: "come back with a fresh token",
};

/** What a Socket.IO client that is not let in has as `data.code` of its `connect_error`. */
const NOT_ADMITTED: Readonly<Record<AdmissionErrorCode, string>> = {
  invalid_session_id: "on the default path: `auth.session_id` is missing, or is none",
  invalid_role: "on the default path: `auth.role` is missing, or is none",
  unauthorized: "a token is missing, or is none of ours",
  token_expired: "the token has run out",
  forbidden: "the token is for another session or role",
};

const MEANS: Readonly<Record<CloseWord, string>> = {
  ...NOT_ADMITTED,
  session_ended: "the session has ended",
  history_lost: "Redis has lost what this connection was told: it begins anew",
  slow_reader: "it left too much unread",
  too_many_messages: "it sent too many messages",
  too_large: "it sent a frame that is too long",
  overloaded: "this replica is full, or cannot take more just now",
  unknown_namespace: "it asked for a namespace that there is not",
  ping_timeout: "it gave no sign of life",
  draining: "this replica goes",
  unavailable: "this replica cannot serve it just now, as where Redis has been away for 15 s",
};

/** How connections end, for the AsyncAPI document. */
export function endings(): JsonSchema {
  const reasons = Object.keys(MEANS) as CloseWord[];
  const codes = [...new Set(Object.values(CLOSE_CODES))].sort((a, b) => a - b);
  return {
    "x-close-codes": codes.map((code) => ({
      code,
      client: WHAT_TO_DO[code],
      reasons: reasons
        .filter((reason) => CLOSE_CODES[reason] === code)
        .map((reason) => ({ reason, means: MEANS[reason] })),
    })),
    "x-connect-error-codes": Object.entries(NOT_ADMITTED).map(([code, means]) => ({ code, means })),
  };
}
