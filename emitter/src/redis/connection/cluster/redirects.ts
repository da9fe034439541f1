import { isReply } from "../client.js";
import type { RedisAddress } from "../redis-url.js";

/** What a node says that is not, or not only, the one to be asked. It has done nothing. */
export interface Redirection {
  /** The other one has the slot by now, or only what is not here any more: it takes that behind an ASKING. */
  readonly kind: "MOVED" | "ASK";
  readonly slot: number;
  readonly address: RedisAddress;
}

/** An IPv6 address has no brackets here: the last colon is the one before the port. */
const REDIRECTION = /^(MOVED|ASK) (\d+) (.*):(\d+)$/;
const PAUSE = /^(?:TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN)\b/;

/**
 * Where a node's error sends whoever asked it, if it does.
 *
 * @param asked - who has said so: a node that does not know its own name leaves it out, and means that one
 */
export function redirectionOf(
  error: unknown,
  asked: { readonly address: RedisAddress },
): Redirection | undefined {
  if (!isReply(error)) return undefined;
  const [, kind, slot, name = "", port] = REDIRECTION.exec(error.message) ?? [];
  if (kind !== "MOVED" && kind !== "ASK") return undefined;
  const host = name === "" || name === "?" ? asked.address.host : name;
  return { kind, slot: Number(slot), address: { host, port: Number(port) } };
}

/** Whether a node has done nothing because a command's keys are in two places, as long as their slot is on its way. */
export function isSplit(error: unknown): boolean {
  return isReply(error) && /^TRYAGAIN\b/.test(error.message);
}

/**
 * Whether a node refuses each slot, its own as well (Redis, `src/cluster.c`, `clusterRedirectClient`): one
 * slot has no master and the cluster asks for all (`cluster-require-full-coverage`), or most of the masters are away.
 */
export function isClusterDown(error: unknown): boolean {
  return isReply(error)
    ? error.message.startsWith("CLUSTERDOWN The cluster is down")
    : error instanceof Error && isClusterDown(error.cause);
}

/** Whether a node has done nothing because its slot, or the cluster, is between two states: soon it may. */
export function isClusterPause(error: unknown): boolean {
  return isReply(error) && PAUSE.test(error.message);
}
