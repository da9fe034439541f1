import { isReply, toEmitterError } from "@inthon/emitter";
import { NotReady, type NotReadyCode } from "../not-ready.js";

/** What an operator should know of an error of Redis, or of the way to it. */
export function notReady(error: unknown): NotReady {
  return new NotReady(isReply(error) ? codeOf(error) : "unavailable", error);
}

function codeOf(error: Error): NotReadyCode {
  const { code } = toEmitterError(error);
  switch (code) {
    case "redis_full":
    case "redis_read_only":
    case "redis_loading":
    case "redis_lacks_replicas":
      return code;
    case "rejected":
      return "redis_denies_access";
    default:
      return "unavailable";
  }
}
