import {
  isDenial,
  isReply,
  missingRight,
  tlsRefusal,
  toEmitterError,
  type EmitterErrorCode,
  type TlsFault,
} from "@inthon/emitter";
import { NotReady, type NotReadyCode } from "../../not-ready.js";

/** What publishing calls it, and what an operator. */
const CODES: Readonly<Partial<Record<EmitterErrorCode, NotReadyCode>>> = {
  redis_full: "redis_full",
  redis_read_only: "redis_read_only",
  redis_loading: "redis_loading",
  redis_lacks_replicas: "redis_lacks_replicas",
};

/** What is to be set. Names and addresses are in the log. */
const TLS: Readonly<Record<TlsFault, string>> = {
  other_names:
    "its certificate is for other names than the host of REDIS_URL: use one of these there, or have it made anew",
  unknown_authority:
    "its certificate is signed by nobody who is known: let REDIS_TLS_CA name the file with the certificate of who signed it",
  wrong_dates: "its certificate has run out, or is not valid yet: renew it, or set the clock",
  own_certificate:
    "it refuses the certificate of this replica, or was shown none: let REDIS_TLS_CERT and REDIS_TLS_KEY name one that is signed by whom it trusts",
};

/** What an operator should know of an error of Redis, or of the way to it. */
export function notReady(error: unknown): NotReady {
  const tls = tlsRefusal(error);
  if (tls) return new NotReady("redis_tls", error, TLS[tls.fault]);
  if (!isReply(error)) return new NotReady("unavailable", error);
  const { code } = toEmitterError(error);
  if (code === "rejected") {
    if (!isDenial(error)) return new NotReady("redis_refuses", error);
    const right = missingRight(error);
    return new NotReady("redis_denies_access", error, right && `what it lacks is ${right}`);
  }
  return new NotReady(CODES[code] ?? "unavailable", error);
}
