import { isReply, parseRedisState, toEmitterError } from "@inthon/emitter";
import { NotReady, type NotReadyCode } from "../not-ready.js";

/** What an operator should know of an error of Redis, or of the way to it. */
export function notReady(error: unknown): NotReady {
  return new NotReady(isReply(error) ? codeOf(error) : "unavailable", error);
}

function codeOf(error: Error): NotReadyCode {
  const { code } = toEmitterError(error);
  if (code === "rejected") return "redis_denies_access";
  return parseRedisState(code) ?? "unavailable";
}
