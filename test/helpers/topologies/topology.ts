/** How Redis is deployed. */
export const TOPOLOGY_KINDS = ["standalone", "sentinel", "cluster"] as const;

export type TopologyKind = (typeof TOPOLOGY_KINDS)[number];

/** What an operator does to it while it works. */
export type Change =
  /** A failover, or a restart, as its documents say, without a loss. */
  | "planned"
  /** Slots go to another master. */
  | "migrate"
  /** A node comes, and takes its part. */
  | "add"
  /** The one that came last goes again. */
  | "remove";

/** Sends one node a command. */
export type Ask = (...args: string[]) => Promise<unknown>;

/** Redis as an operator runs it, to be damaged: one thing at a time. Whatever is asked for resolves when it has been done. */
export interface Topology {
  readonly kind: TopologyKind;
  /** For `REDIS_URL`. */
  readonly url: string;
  /** In words, for people. */
  readonly size: string;
  /** Those that live. */
  nodes(): readonly { readonly port: number; readonly ask: Ask }[];
  /** Whoever takes writes for this key now. */
  ownerOf(key: string): Promise<Ask>;
  /**
   * Names of sessions whose rooms are spread over all masters, where it has several, in slots that {@link Change} moves
   * first.
   */
  sessions(name: string, count: number): Promise<readonly string[]>;
  /** Kills a primary with SIGKILL; where there is another node that may take its place, resolves when it has. */
  kill(choose: <T>(items: readonly T[]) => T): Promise<void>;
  /** Has the one that was killed come back, and resolves when all is whole. */
  revive(): Promise<void>;
  /** Those that it knows. */
  readonly changes: Readonly<Partial<Record<Change, () => Promise<void>>>>;
}
