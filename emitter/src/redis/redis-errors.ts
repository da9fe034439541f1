import { EmitterError, type EmitterErrorCode } from "../errors.js";

/** What Redis refuses, by the word that its answer begins with (Redis, `src/server.c`, `createSharedObjects`). */
const REFUSALS: Readonly<Record<string, readonly [EmitterErrorCode, string]>> = {
  OOM: [
    "redis_full",
    "Redis has no memory left for events: give it more, or shorten what it keeps",
  ],
  READONLY: ["redis_read_only", "this Redis is a replica, which takes no events"],
  MISCONF: ["redis_read_only", "Redis takes no events while it cannot save them to its disk"],
  NOREPLICAS: ["redis_lacks_replicas", "Redis has fewer replicas than it needs to take events"],
  LOADING: ["redis_loading", "Redis is still loading its data"],
  MASTERDOWN: ["redis_loading", "this Redis is a replica that has lost its primary"],
  PREFIX: ["invalid_option", "the client puts a prefix before keys, and channels are made of keys"],
  ORDER: ["unavailable", "the events before these have not been published"],
};

/** Refusals that no repetition changes. */
const FINAL = new Set(["NOPERM", "NOAUTH", "WRONGPASS", "WRONGTYPE", "ERR"]);

/** An answer of Redis begins with a word in capitals, or a script's has it behind its own. */
const WORD = /^(?:ERR )?([A-Z]{3,})\b/;

/** What a publisher's caller is told of an error of Redis, or of the way there. */
export function toEmitterError(cause: unknown): EmitterError {
  if (cause instanceof EmitterError) return cause;
  const word = cause instanceof Error ? (WORD.exec(cause.message)?.[1] ?? "") : "";
  const refusal = REFUSALS[word];
  if (refusal) return new EmitterError(refusal[0], refusal[1], { cause });
  if (FINAL.has(word)) {
    const message = `Redis refuses to publish (${word}): see to the rights of its user, and to what else uses its keys`;
    return new EmitterError("rejected", message, { cause });
  }
  return new EmitterError("unavailable", "Redis did not confirm", { cause });
}
