import {
  isDenial,
  isReply,
  missingRight,
  toEmitterError,
  type EmitterErrorCode,
} from "@inthon/emitter";
import { NotReady, type NotReadyCode } from "../not-ready.js";

/** What publishing calls it, and what an operator. */
const CODES: Readonly<Partial<Record<EmitterErrorCode, NotReadyCode>>> = {
  redis_full: "redis_full",
  redis_read_only: "redis_read_only",
  redis_loading: "redis_loading",
  redis_lacks_replicas: "redis_lacks_replicas",
};

/** What an operator should know of an error of Redis, or of the way to it. */
export function notReady(error: unknown): NotReady {
  if (!isReply(error)) return new NotReady("unavailable", error);
  const { code } = toEmitterError(error);
  if (code === "rejected") {
    if (!isDenial(error)) return new NotReady("redis_refuses", error);
    const right = missingRight(error);
    return new NotReady("redis_denies_access", error, right && `what it lacks is ${right}`);
  }
  return new NotReady(CODES[code] ?? "unavailable", error);
}
