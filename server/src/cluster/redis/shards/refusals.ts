import {
  isClusterDown,
  isDenial,
  isReply,
  missingRight,
  otherKindOf,
  spokenOtherwise,
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

/** More errors in each other there are not. */
const MAX_CAUSES = 5;

/** What an operator should know of an error of Redis, or of the way to it. */
export function notReady(error: unknown): NotReady {
  const tls = tlsRefusal(error);
  if (tls) return new NotReady("redis_tls", error, TLS[tls.fault]);
  const spoken = spokenOtherwise(error);
  if (spoken) {
    const code = spoken.isCertain ? "redis_other_kind" : "unavailable";
    return new NotReady(code, error, spoken.question);
  }
  const reply = replyIn(error);
  if (!reply) return new NotReady("unavailable", error);
  const kind = otherKindOf(reply, "REDIS_URL");
  if (kind !== undefined) return new NotReady("redis_other_kind", error, kind);
  if (isClusterDown(reply)) return new NotReady("redis_cluster_down", error);
  const { code } = toEmitterError(reply);
  if (code === "rejected") {
    if (!isDenial(reply)) return new NotReady("redis_refuses", error);
    const right = missingRight(reply);
    return new NotReady("redis_denies_access", error, right && `what it lacks is ${right}`);
  }
  return new NotReady(CODES[code] ?? "unavailable", error);
}

/** Redis's answer: it may be why who led the way there has none. */
function replyIn(error: unknown): Error | undefined {
  let one = error;
  for (let i = 0; i < MAX_CAUSES && one instanceof Error; i++) {
    const { cause } = one;
    if (isReply(one)) return one;
    one = cause;
  }
  return undefined;
}
