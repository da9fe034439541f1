import { isReply, toEmitterError, type EmitterErrorCode } from "@inthon/emitter";
import { NotReady, type NotReadyCode } from "../not-ready.js";

/** What publishing calls it, and what an operator. */
const CODES: Readonly<Partial<Record<EmitterErrorCode, NotReadyCode>>> = {
  redis_full: "redis_full",
  redis_read_only: "redis_read_only",
  redis_loading: "redis_loading",
  redis_lacks_replicas: "redis_lacks_replicas",
  rejected: "redis_denies_access",
};

/** What an operator should know of an error of Redis, or of the way to it. */
export function notReady(error: unknown): NotReady {
  const code = isReply(error) ? CODES[toEmitterError(error).code] : undefined;
  return new NotReady(code ?? "unavailable", error);
}
