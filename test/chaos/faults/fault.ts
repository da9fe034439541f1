import type { Direction } from "../world/gate.js";
import type { Cut } from "../world/line.js";
import type { TopologyKind } from "../../helpers/topologies/topology.js";

/** For how long something is broken, in milliseconds. */
interface Lasting {
  readonly ms: number;
}

/** How Redis comes to refuse writing though it answers. */
export type ReadOnly = "as a replica" | "for want of replicas";

/** Something that breaks, and for how long. */
export type Fault = CommonFault | HouseFault | TopologyFault;

/** On every Redis. */
type CommonFault =
  | ({ readonly kind: "replica killed"; readonly replica: number } & Lasting)
  | ({ readonly kind: "replica stopped"; readonly replica: number } & Lasting)
  | ({ readonly kind: "replica frozen"; readonly replica: number } & Lasting)
  | { readonly kind: "subscribers cut" }
  | { readonly kind: "commands cut" }
  | ({
      readonly kind: "clients cut off";
      readonly clients: readonly number[];
      readonly cut: Cut;
    } & Lasting)
  | {
      readonly kind: "clients ended in their first packet";
      readonly count: number;
      readonly replica: number;
    };

/** On one Redis that is alone. */
export type HouseFault =
  | ({
      readonly kind: "subscriptions hung" | "commands hung";
      readonly replica: number;
      readonly direction: Direction;
    } & Lasting)
  | ({
      readonly kind: "publisher hung";
      readonly publisher: number;
      readonly direction: Direction;
    } & Lasting)
  | ({ readonly kind: "Redis killed" } & Lasting)
  | ({ readonly kind: "Redis frozen" } & Lasting)
  | ({ readonly kind: "Redis slow" } & Lasting)
  | ({ readonly kind: "Redis full" } & Lasting)
  | ({ readonly kind: "Redis read-only"; readonly how: ReadOnly } & Lasting)
  | ({
      readonly kind: "Redis back from a snapshot" | "Redis replaced by a stale replica";
      /** How much it lacks: what was written in this time, in milliseconds. */
      readonly behindMs: number;
    } & Lasting)
  | { readonly kind: "Redis flushed" }
  | ({ readonly kind: "Redis restarted without its file" } & Lasting);

/** On a Redis of several nodes. */
export type TopologyFault =
  /** One that takes writes; it comes back as a replica so much later than another one has taken its place. */
  | ({ readonly kind: "primary killed" } & Lasting)
  | { readonly kind: "failover planned" }
  | { readonly kind: "slots moved" }
  /** All links of clients and Sentinels to it. */
  | ({
      readonly kind: "node hung";
      readonly node: number;
      readonly direction: Direction;
    } & Lasting);

export type FaultKind = Fault["kind"];

/** How often each fault is made, as long as there is something to break. */
export const WEIGHTS = {
  "clients cut off": 6,
  "clients ended in their first packet": 3,
  "replica killed": 3,
  "replica stopped": 2,
  "replica frozen": 3,
  "subscribers cut": 3,
  "commands cut": 2,
  "subscriptions hung": 2,
  "commands hung": 2,
  "publisher hung": 2,
  "Redis killed": 2,
  "Redis frozen": 1,
  "Redis slow": 1,
  "Redis full": 1,
  "Redis read-only": 1,
  "Redis back from a snapshot": 2,
  "Redis replaced by a stale replica": 2,
  "Redis flushed": 2,
  "Redis restarted without its file": 2,
  "primary killed": 4,
  "failover planned": 3,
  "slots moved": 3,
  "node hung": 3,
} as const satisfies Record<FaultKind, number>;

export const FAULT_KINDS = Object.keys(WEIGHTS) as FaultKind[];

/** After these nothing is left: they come with `--forget` only. */
export const FORGETTING: readonly FaultKind[] = [
  "Redis flushed",
  "Redis restarted without its file",
];

const COMMON: readonly FaultKind[] = [
  "replica killed",
  "replica stopped",
  "replica frozen",
  "subscribers cut",
  "commands cut",
  "clients cut off",
  "clients ended in their first packet",
];

const OF_SENTINEL: readonly FaultKind[] = ["primary killed", "failover planned", "node hung"];
const OF_CLUSTER: readonly FaultKind[] = [...OF_SENTINEL, "slots moved"];

export function isOfTopology(fault: Fault): fault is TopologyFault {
  return OF_CLUSTER.includes(fault.kind);
}

export function isOfHouse(fault: Fault): fault is HouseFault {
  return !COMMON.includes(fault.kind) && !isOfTopology(fault);
}

/** What can happen to this Redis. */
export function kindsOn(redis: TopologyKind): readonly FaultKind[] {
  switch (redis) {
    case "standalone":
      return FAULT_KINDS.filter((kind) => !OF_CLUSTER.includes(kind));
    case "sentinel":
      return [...COMMON, ...OF_SENTINEL];
    case "cluster":
      return [...COMMON, ...OF_CLUSTER];
  }
}

/** What a fault takes away, and no other may meanwhile; an empty string where it takes nothing. */
export function targetOf(fault: Fault): string {
  switch (fault.kind) {
    case "replica killed":
    case "replica stopped":
    case "replica frozen":
      return `replica ${fault.replica}`;
    case "subscriptions hung":
    case "commands hung":
      return `${fault.kind} ${fault.replica}`;
    case "publisher hung":
      return `publisher ${fault.publisher}`;
    case "Redis slow":
      return "links";
    case "Redis killed":
    case "Redis frozen":
    case "Redis full":
    case "Redis read-only":
    case "Redis back from a snapshot":
    case "Redis replaced by a stale replica":
    case "Redis restarted without its file":
    case "Redis flushed":
    case "primary killed":
    case "failover planned":
    case "slots moved":
    case "node hung":
      return "Redis";
    case "subscribers cut":
    case "commands cut":
    case "clients cut off":
    case "clients ended in their first packet":
      return "";
  }
}

/** How long it takes, in milliseconds. */
export function durationOf(fault: Fault): number {
  const ms = "ms" in fault ? fault.ms : 0;
  return "behindMs" in fault ? fault.behindMs + ms : ms;
}

export function describe(fault: Fault): string {
  switch (fault.kind) {
    case "replica killed":
    case "replica stopped":
    case "replica frozen":
      return `replica-${fault.replica + 1} ${fault.kind.slice("replica ".length)} for ${fault.ms} ms`;
    case "subscriptions hung":
    case "commands hung":
      return `replica-${fault.replica + 1}: ${fault.kind} ${fault.direction}, new ones for ${fault.ms} ms`;
    case "publisher hung":
      return `publisher ${fault.publisher} hung ${fault.direction}, new links for ${fault.ms} ms`;
    case "clients cut off":
      return `${fault.clients.length} clients cut off: ${fault.cut}`;
    case "clients ended in their first packet":
      return `${fault.count} ${fault.kind}, on replica-${fault.replica + 1}`;
    case "Redis back from a snapshot":
    case "Redis replaced by a stale replica":
      return `${fault.kind}, ${fault.behindMs} ms older, after ${fault.ms} ms`;
    case "Redis read-only":
      return `${fault.kind}, ${fault.how}, ${fault.ms} ms`;
    case "Redis killed":
    case "Redis frozen":
    case "Redis slow":
    case "Redis full":
    case "Redis restarted without its file":
    case "primary killed":
      return `${fault.kind}, ${fault.ms} ms`;
    case "node hung":
      return `${fault.kind}, ${fault.direction}, new links for ${fault.ms} ms`;
    case "subscribers cut":
    case "commands cut":
    case "Redis flushed":
    case "failover planned":
    case "slots moved":
      return fault.kind;
  }
}
