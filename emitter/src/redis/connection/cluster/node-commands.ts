import type { RedisCommands } from "../../publish-script.js";
import { UndoneError } from "../../redis-errors.js";
import { isReply } from "../client.js";
import type { Link } from "../link.js";
import { publishCommands } from "../own-redis.js";
import type { RedisAddress } from "../redis-url.js";
import { tlsRefusal } from "../tls-refused.js";
import { isClusterPause, redirectionOf } from "./redirects.js";
import type { ClusterMaster, ClusterTopology } from "./topology.js";

/** Whom an ASK has named. */
interface Guest {
  readonly node: ClusterMaster;
  readonly link: Link;
}

/** How long a link is new, in milliseconds: calls wait in their place about as long. */
const NEW_MS = 1_000;

/** What a node of a cluster needs of the others. */
export interface OtherNodes {
  readonly topology: Pick<ClusterTopology, "moved">;
  guest(address: RedisAddress): Guest;
}

/**
 * The commands of one master of a cluster. Where it is not the one to be asked, nothing has been done: it is said so by an
 * {@link UndoneError}, and the topology knows better by then.
 */
export function nodeCommands(link: Link, node: ClusterMaster, others: OtherNodes): RedisCommands {
  const plain = publishCommands(link);
  const since = performance.now();
  /** One that has just taken over is reached in a moment: what is not sent until then keeps its place. */
  const refuseTooSoon = () => {
    if (link.isUp || performance.now() - since > NEW_MS) return;
    throw new UndoneError("it is not reached yet", { cause: named(node, link.trouble) });
  };
  const follow = (error: unknown, ask: (client: Link["client"]) => Promise<unknown>) => {
    const redirection = redirectionOf(error, node);
    if (redirection?.kind !== "ASK") throw understood(error, node, others);
    const guest = others.guest(redirection.address);
    if (!guest.link.isUp) throw new UndoneError("an ASK", { cause: guest.link.trouble });
    const { client } = guest.link;
    // It holds for the one command that follows on the connection: both go out in this turn.
    client.sendCommand(["ASKING"]).catch(() => undefined);
    return ask(client).catch((refusal: unknown) => {
      throw understood(refusal, guest.node, others);
    });
  };
  return {
    eval: async (script, options) => {
      refuseTooSoon();
      return plain.eval(script, options).catch((error: unknown) => {
        return follow(error, (client) => client.eval(script, options));
      });
    },
    evalSha: async (sha1, options) => {
      refuseTooSoon();
      return plain.evalSha(sha1, options).catch((error: unknown) => {
        return follow(error, (client) => client.evalSha(sha1, options));
      });
    },
    presentConnection: () => link.client,
  };
}

/** An error that says whether anything has been done. */
function understood(error: unknown, asked: ClusterMaster, { topology }: OtherNodes): unknown {
  const redirection = redirectionOf(error, asked);
  if (redirection?.kind === "MOVED") topology.moved(redirection.slot, redirection.address);
  const isUndone = redirection !== undefined || isOnItsWay(error);
  if (isUndone) return new UndoneError("it is another node's", { cause: error });
  return named(asked, error);
}

/** What has had no answer says whose it would have been. */
function named({ name }: ClusterMaster, error: unknown): unknown {
  const isSaid: boolean = isReply(error) || tlsRefusal(error) !== undefined;
  if (isSaid || !(error instanceof Error)) return error;
  return new Error(`${name}: ${error.message}`, { cause: error });
}

/** @throws UndoneError where the slot is on its way from one master to another; else what it is given */
export function undoneWhereOnItsWay(error: unknown): never {
  throw isOnItsWay(error) ? new UndoneError("it is on its way", { cause: error }) : error;
}

/** Over in a moment; what else the cluster pauses for takes the time of a failover, and is the caller's to repeat. */
function isOnItsWay(error: unknown): boolean {
  return isClusterPause(error) && error instanceof Error && error.message.startsWith("TRYAGAIN");
}
