import { EmitterError, type EmitterErrorCode } from "../errors.js";
import { isClusterDown } from "./connection/cluster/redirects.js";
import { tlsRefusal } from "./connection/tls-refused.js";

/** Redis has done nothing: whoever asks again in the same place changes no order. */
export class UndoneError extends Error {
  override readonly name = "UndoneError";
}

const NODE_OF_A_CLUSTER =
  "this Redis is a node of a Redis Cluster: begin its URL with redis+cluster:// or rediss+cluster://";
/** Of one that is known to be a node of a cluster. */
const WITHOUT_AGREEMENT = "the nodes of the cluster do not agree on which of them has this room";

const CLUSTER_DOWN =
  "the cluster refuses all rooms: a slot has no master and cluster-require-full-coverage is yes (set it to no), or most of its masters are away";

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
  CLUSTERDOWN: ["unavailable", "the cluster does not serve this room for now"],
  TRYAGAIN: [
    "unavailable",
    "the room is on its way from one master of the cluster to another: where that does not end, a reshard was broken off (redis-cli --cluster fix)",
  ],
  MOVED: ["rejected", NODE_OF_A_CLUSTER],
  CROSSSLOT: ["rejected", NODE_OF_A_CLUSTER],
  ORDER: ["unavailable", "the events before these have not been published"],
};

/** Refusals that no repetition changes, with what to see to. */
const FINAL: Readonly<Record<string, string>> = {
  NOPERM: "see to the rights of its user",
  NOAUTH: "see to its password",
  WRONGPASS: "see to its user and password",
  WRONGTYPE: "something else uses the keys of this room",
  ERR: "see that it is Redis 7, and what else uses its keys",
};

/** Those of them that are about who asks. */
const DENIALS = new Set(["NOPERM", "NOAUTH", "WRONGPASS"]);

/** An answer of Redis begins with a word in capitals, or a script's has it behind its own. */
const WORD = /^(?:ERR )?([A-Z]{3,})\b/;

/** Passes by itself (Redis, `src/networking.c`, `acceptCommonHandler`). */
const NO_CONNECTION_LEFT = "ERR max number of clients";

/** How Redis 7.0 says NOPERM within a script (`src/script.c`, `scriptCall`). */
const DENIED_IN_SCRIPT = "ERR The user executing the script can't";

/** Redis's own words (`src/acl.c`, `getAclErrorMessage`), and those of `may-publish.lua`. */
const MISSING_RIGHT = /the '([a-z|]+)' command|lacks (\+[a-z|]+(?: for \S+[^\s:])?)/;
/** Which one, Redis does not say. */
const MISSING_PATTERN = /permissions to access .*\b(key|channel)s?\b/;

/** What a publisher's caller is told of an error of Redis, or of the way there. */
export function toEmitterError(cause: unknown): EmitterError {
  if (cause instanceof EmitterError) return cause;
  if (cause instanceof UndoneError) {
    const { cause: refusal } = cause;
    if (wordOf(refusal) !== "MOVED") return toEmitterError(refusal);
    return new EmitterError("unavailable", WITHOUT_AGREEMENT, { cause: refusal });
  }
  const word = wordOf(cause);
  if (cause instanceof Error && cause.message.startsWith(NO_CONNECTION_LEFT)) {
    const message = "Redis takes no more connections: raise its maxclients";
    return new EmitterError("unavailable", message, { cause });
  }
  if (isClusterDown(cause)) return new EmitterError("unavailable", CLUSTER_DOWN, { cause });
  const tls = tlsRefusal(cause);
  if (tls) return new EmitterError("unavailable", tls.message, { cause });
  const refusal = REFUSALS[word];
  if (refusal) return new EmitterError(refusal[0], refusal[1], { cause });
  const advice = FINAL[word];
  if (advice !== undefined) {
    const right = missingRight(cause);
    const which = right === undefined ? "" : `, which lacks ${right}`;
    return new EmitterError("rejected", `Redis refuses (${word}): ${advice}${which}`, { cause });
  }
  return new EmitterError("unavailable", "Redis did not confirm", { cause });
}

/** Whether Redis denies it to who asks: not for what its keys hold. */
export function isDenial(error: unknown): boolean {
  const cause = error instanceof EmitterError ? error.cause : error;
  return DENIALS.has(wordOf(cause));
}

/** The right that a user of Redis lacks, as its rules have it, where Redis or a script of ours names it. */
export function missingRight(error: unknown): string | undefined {
  const cause = error instanceof EmitterError ? error.cause : error;
  if (!(cause instanceof Error)) return undefined;
  const [, command, right] = MISSING_RIGHT.exec(cause.message) ?? [];
  if (command !== undefined) return `+${command}`;
  const [, kind] = MISSING_PATTERN.exec(cause.message) ?? [];
  return kind === undefined ? right : `a rule for one of its ${kind}s`;
}

function wordOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "";
  const { message } = cause;
  return message.startsWith(DENIED_IN_SCRIPT) ? "NOPERM" : (WORD.exec(message)?.[1] ?? "");
}
