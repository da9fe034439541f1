import type { Exit } from "../processes/server-process.js";

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

/** A process of it. */
export interface Part {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when its present process has ended. */
  readonly exited: Promise<Exit>;
}

export interface TopologyOptions {
  /**
   * Opens a way to a node, by which everybody reaches it but who damages it, and tells its port.
   *
   * @param port - where the node is, asked for each connection
   */
  readonly front?: (port: () => number) => Promise<number>;
}

/** Redis as an operator runs it, to be damaged: one thing at a time. Whatever is asked for resolves when it has been done. */
export interface Topology {
  readonly kind: TopologyKind;
  /** For `REDIS_URL`. */
  readonly url: string;
  /** In words, for people. */
  readonly size: string;
  /** All of its processes. */
  parts(): readonly Part[];
  /**
   * What one may do to it from a terminal, and the command for that, which stays true whatever has been done to it.
   *
   * @param session - whose place is told, where it has one
   */
  hints(session: string): Promise<readonly (readonly [what: string, command: string])[]>;
  /** Those that live, past what is in front of them. */
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
  /** Resolves when every node that lives does what it has to, and all know so. */
  settled(): Promise<void>;
  /** Those that it knows. */
  readonly changes: Readonly<Partial<Record<Change, () => Promise<void>>>>;
}
