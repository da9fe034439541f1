import type { ClientOptions } from "../actors/client.js";
import type { Settings } from "../actors/replica.js";
import type { Moment } from "../network/moments.js";
import { durationOf, type Fault } from "./fault.js";

/** Something that happens in a world, told as what it is: so a plan can be printed, and made smaller. */
export type Happening = { readonly at: number } & (
  | {
      readonly kind: "emit";
      readonly publisher: number;
      readonly session: string;
      readonly name: "question_intent" | "question_capture" | "new_question";
      /** Of somebody else's emission too: a repetition. */
      readonly key: string | undefined;
      readonly id: number;
      /** As long as an event may be, or nearly. */
      readonly isLong: boolean;
      readonly timeoutMs: number;
      /** It waits for somebody to come to this moment. */
      readonly on: Moment | undefined;
    }
  | {
      readonly kind: "join" | "leave" | "stop reading" | "read on" | "end at once";
      readonly client: number;
    }
  /** Its next connection ends so long after it has come. */
  | { readonly kind: "hurry"; readonly client: number; readonly ms: number }
  /** Leaves, and comes back so long after somebody has come to this moment. */
  | {
      readonly kind: "return";
      readonly client: number;
      readonly on: Moment;
      readonly afterMs: number;
    }
  | { readonly kind: "drop"; readonly client: number; readonly isTold: boolean }
  | { readonly kind: "come back from"; readonly client: number; readonly offset: string }
  | ({ readonly kind: "fault" } & { readonly fault: Fault })
);

/** What Redis is. */
export type RedisPlan = {
  /** How long a replica takes to acknowledge, where publishers wait for one. */
  readonly replicaLagMs: number | undefined;
} & (
  | { readonly kind: "single" | "sentinel" }
  | { readonly kind: "cluster"; readonly masters: number; readonly needsAll: boolean }
);

/** All that is decided before a world begins. */
export interface Plan {
  readonly seed: number;
  readonly redis: RedisPlan;
  readonly settings: Settings;
  /** How many events publishers keep of each history: it may be less than replicas know of. */
  readonly publishersKeep: number;
  readonly replicas: number;
  readonly publishers: number;
  readonly clients: readonly ClientOptions[];
  readonly happenings: readonly Happening[];
  /** From then on nothing goes wrong any more, in milliseconds; what has gone wrong may last until {@link calmAt}. */
  readonly faultsEndAt: number;
  /** Whether it is watched for as long as things may take to be right, though they are so before. */
  readonly isWatchedOn: boolean;
}

/** When the last fault is over. */
export function calmAt({ faultsEndAt, happenings }: Plan): number {
  const ends = happenings.map((one) =>
    one.kind === "fault" ? one.at + durationOf(one.fault) : one.at,
  );
  return Math.max(faultsEndAt, ...ends);
}
