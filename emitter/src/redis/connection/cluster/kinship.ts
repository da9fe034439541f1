import { hostAndPort, type RedisAddress } from "../redis-url.js";
import type { ClusterView } from "./cluster-view.js";
import type { Watcher } from "./watcher.js";

/** A cluster of which nobody has answered for so long is gone, in milliseconds: there may be a new one in its place. */
const GONE_MS = 30_000;

/** What is asked of a watcher. */
type Witness = Pick<Watcher, "address" | "view" | "trouble">;

/** Whose views are those of the cluster that is believed, and whose are another's. */
interface Sorted<W> {
  readonly own: ClusterView[];
  readonly strangers: readonly W[];
}

/**
 * Tells a cluster from others, by the names of its nodes: epochs of two clusters say nothing about each other.
 *
 * Invariant: as long as one of its nodes has answered lately, nobody is believed who knows none of them. Nodes may all be
 * replaced, one after the other: each view has names in common with the one before.
 */
export class Kinship {
  readonly #order: readonly string[];
  readonly #now: () => number;
  /** Of the nodes that the cluster has, as it said last; none before the first view. */
  #ids: ReadonlySet<string> = new Set();
  #answeredAt = -Infinity;

  /**
   * @param nodes - as they are named: where they are of several clusters, that of the first one which answers is meant
   * @param now - a monotonic clock, in milliseconds
   */
  constructor(nodes: readonly RedisAddress[], now: () => number = () => performance.now()) {
    this.#now = now;
    this.#order = nodes.map(hostAndPort);
  }

  /** Sorts those who have a view. Before the first one there may be nobody on either side, until it is known who is meant. */
  sort<W extends Witness>(witnesses: readonly W[]): Sorted<W> {
    const own: ClusterView[] = [];
    const strangers: W[] = [];
    const isGone = this.#now() - this.#answeredAt > GONE_MS;
    const ids = this.#idsIn(witnesses) ?? (isGone ? this.#firstOf(witnesses) : this.#ids);
    if (!ids) return { own, strangers };
    for (const witness of witnesses) {
      if (!witness.view) continue;
      if (isKin(witness.view, ids)) own.push(witness.view);
      else strangers.push(witness);
    }
    if (own.length > 0) this.#answeredAt = this.#now();
    return { own, strangers };
  }

  /** Takes what the cluster says of itself by now. */
  learn({ ids }: ClusterView): void {
    this.#ids = ids;
  }

  /** The names that are known, where somebody knows one of them. */
  #idsIn(witnesses: readonly Witness[]): ReadonlySet<string> | undefined {
    return witnesses.some(({ view }) => view && isKin(view, this.#ids)) ? this.#ids : undefined;
  }

  /**
   * Those that the first one knows, in the order of their addresses; `undefined` while an earlier one may answer yet. One
   * that knows of no slot is meant where nobody knows of any: it may have been taken out of the cluster.
   */
  #firstOf(witnesses: readonly Witness[]): ReadonlySet<string> | undefined {
    const place = ({ address }: Witness) => {
      const index = address ? this.#order.indexOf(hostAndPort(address)) : -1;
      return index < 0 ? this.#order.length : index;
    };
    const sorted = witnesses
      .filter(({ view, trouble }) => view !== undefined || trouble === undefined)
      .sort((one, other) => place(one) - place(other));
    const first = sorted.find(({ view }) => !view || view.claims.length > 0) ?? sorted[0];
    return first?.view?.ids;
  }
}

function isKin({ ids: those }: ClusterView, ids: ReadonlySet<string>): boolean {
  for (const id of those) if (ids.has(id)) return true;
  return false;
}
