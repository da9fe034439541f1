import type { Moment } from "../network/moments.js";

/** Something that goes wrong. Times in milliseconds. */
export type Fault =
  | { readonly kind: "kill replica"; readonly replica: number; readonly backAfterMs: number }
  | { readonly kind: "drain replica"; readonly replica: number; readonly backAfterMs: number }
  | { readonly kind: "freeze replica"; readonly replica: number; readonly ms: number }
  | { readonly kind: "kill publisher"; readonly publisher: number; readonly backAfterMs: number }
  | { readonly kind: "freeze publisher"; readonly publisher: number; readonly ms: number }
  | { readonly kind: "step clock"; readonly replica: number; readonly ms: number }
  | { readonly kind: "step Redis's clock"; readonly shard: number; readonly ms: number }
  | { readonly kind: "drift"; readonly replica: number; readonly rate: number }
  | {
      readonly kind: "restart Redis";
      /** Of a cluster, whichever has this number; the same below. */
      readonly shard: number;
      /** How old what it remembers is; infinite for nothing at all. */
      readonly lostMs: number;
      readonly downMs: number;
      readonly loadingMs: number;
    }
  | {
      readonly kind: "fail over";
      readonly shard: number;
      readonly lostMs: number;
      /** How long the old primary does not know it. */
      readonly splitMs: number;
      readonly isOldGone: boolean;
    }
  | { readonly kind: "freeze Redis"; readonly shard: number; readonly ms: number }
  /** Keys at random, or those whose names begin so. */
  | {
      readonly kind: "evict";
      readonly shard: number;
      readonly count: number;
      readonly of: string;
    }
  | { readonly kind: "fill Redis"; readonly shard: number; readonly ms: number }
  | {
      readonly kind: "deny";
      readonly shard: number;
      readonly command: string;
      readonly ms: number;
    }
  | { readonly kind: "flush scripts"; readonly shard: number }
  | { readonly kind: "cut"; readonly link: number; readonly part: number; readonly isTold: boolean }
  | {
      readonly kind: "hang";
      readonly link: number;
      readonly direction: "to Redis" | "from Redis" | "both";
      readonly ms: number;
    }
  | { readonly kind: "slow"; readonly usualMs: number; readonly ms: number }
  | { readonly kind: "silence"; readonly shard: number; readonly ms: number }
  | {
      /** Slots that are in use go from one master to another, or to a new one; the first may be taken out then. */
      readonly kind: "move slots";
      readonly shard: number;
      readonly to: number | "new";
      readonly pauseMs: number;
      readonly isRemoved: boolean;
    }
  | {
      /** Messages are lost on the way to somebody, as between a primary and the replica of it that he listens to. */
      readonly kind: "swallow";
      readonly link: number;
      readonly ms: number;
    }
  | Trap;

/** What befalls the connection, or its process, that has come to the moment. */
export type Consequence =
  | { readonly kind: "cut it"; readonly part: number; readonly isTold: boolean }
  | { readonly kind: "hang it"; readonly ms: number }
  | { readonly kind: "refuse it" }
  | { readonly kind: "kill it"; readonly backAfterMs: number }
  | { readonly kind: "freeze it"; readonly ms: number }
  | Exclude<Fault, Trap>;

/** A fault that waits for somebody to come to a moment that matters: so it falls between two steps of the product. */
export interface Trap {
  readonly kind: "trap";
  readonly on: Moment;
  /** How many come past it first. */
  readonly skip: number;
  /** Whether Redis has done what it was asked. */
  readonly isAfter: boolean;
  /** For how long it waits. */
  readonly ms: number;
  readonly then: Consequence;
}

/** How long it lasts, in milliseconds. */
export function durationOf(fault: Fault | Consequence): number {
  if (fault.kind === "trap") return fault.ms + durationOf(fault.then);
  if (fault.kind === "restart Redis") return fault.downMs + fault.loadingMs;
  if (fault.kind === "fail over") return fault.splitMs;
  // What is left by then goes at once.
  if (fault.kind === "move slots") return 20 * fault.pauseMs;
  if ("backAfterMs" in fault) return fault.backAfterMs;
  return "ms" in fault && !fault.kind.startsWith("step") ? fault.ms : 0;
}
