import { CLIENT_KINDS, type ClientKind } from "../helpers/clients/clients.js";
import type { Role } from "@inthon/emitter/protocol";
import {
  durationOf,
  FORGETTING,
  kindsOn,
  targetOf,
  WEIGHTS,
  type Fault,
  type FaultKind,
} from "./faults/fault.js";
import type { ChaosOptions } from "./options.js";
import { randomFrom, type Random } from "./random.js";
import { DIRECTIONS } from "./world/gate.js";

/** A client to come. */
export interface PlannedClient {
  readonly index: number;
  readonly kind: ClientKind;
  readonly role: Role;
  /** Which session, from 0. */
  readonly session: number;
  /** When it joins, in milliseconds after the start; 0 for those that are there from the beginning. */
  readonly joinAtMs: number;
}

/** All that will happen: the same for the same options. */
export interface Plan {
  readonly clients: readonly PlannedClient[];
  readonly faults: readonly { readonly atMs: number; readonly fault: Fault }[];
}

export const REPLICAS = 3;
/** Services that publish by an emitter on Redis. */
export const EMITTERS = 4;

const LATE_SHARE = 0.2;
const TEACHER_SHARE = 0.2;
/** Polling costs both sides most: a real class has few of them. */
const KIND_WEIGHTS: Record<ClientKind, number> = {
  websocket: 4,
  polling: 1,
  upgrade: 1,
  plain: 3,
  "event-stream": 3,
};
const PAUSE_MS = { min: 200, max: 1_800 };
/** What a killed process needs to be back, on a busy machine, before it is hit again. */
const REPLICA_START_MS = 3_000;
const REDIS_START_MS = 1_000;

/** Decides on everything that chance decides on, ahead of the run. */
export function makePlan(options: ChaosOptions): Plan {
  const random = randomFrom(options.seed);
  return { clients: planClients(options, random), faults: planFaults(options, random) };
}

function planClients({ clients, sessions, seconds }: ChaosOptions, random: Random) {
  const kinds = CLIENT_KINDS.flatMap((kind) => Array<ClientKind>(KIND_WEIGHTS[kind]).fill(kind));
  return Array.from({ length: clients }, (_, index): PlannedClient => ({
    index,
    kind: random.pick(kinds),
    role: random.next() < TEACHER_SHARE ? "teacher" : "student",
    session: index % sessions,
    joinAtMs: random.next() < LATE_SHARE ? random.between(1, seconds * 1_000) : 0,
  }));
}

function planFaults(options: ChaosOptions, random: Random): Plan["faults"] {
  const possible = kindsOn(options.redis ?? "standalone").filter(
    (kind) =>
      (options.forget || !FORGETTING.includes(kind)) &&
      (options.only?.some((part) => kind.includes(part)) ?? true),
  );
  const kinds = possible.flatMap((kind) => Array<FaultKind>(WEIGHTS[kind]).fill(kind));
  // First one of each kind, so that a short run has them all; then by weight.
  const hand = random.shuffled(possible);
  // What is broken until when: a process that is away cannot be broken again.
  const busyUntil = new Map<string, number>();
  const faults: { atMs: number; fault: Fault }[] = [];
  const endMs = options.seconds * 1_000;
  for (let atMs = 500; atMs < endMs; atMs += random.between(PAUSE_MS.min, PAUSE_MS.max)) {
    const drawn = [...hand, random.pick(kinds)].map((kind) => planFault(kind, options, random));
    const fault = drawn.find((fault) => (busyUntil.get(targetOf(fault)) ?? 0) <= atMs);
    if (!fault) continue;
    faults.push({ atMs, fault });
    const dealt = hand.indexOf(fault.kind);
    if (dealt >= 0) hand.splice(dealt, 1);
    const target = targetOf(fault);
    const startMs = target === "Redis" ? REDIS_START_MS : REPLICA_START_MS;
    if (target !== "") busyUntil.set(target, atMs + durationOf(fault) + startMs);
  }
  return faults;
}

function planFault(kind: FaultKind, { clients }: ChaosOptions, random: Random): Fault {
  const replica = random.between(0, REPLICAS - 1);
  switch (kind) {
    case "replica killed":
    case "replica stopped":
      return { kind, replica, ms: random.between(0, 3_000) };
    case "replica frozen":
      return { kind, replica, ms: random.between(1_000, 8_000) };
    case "subscriptions hung":
    case "commands hung":
      return { kind, replica, direction: random.pick(DIRECTIONS), ms: random.between(0, 4_000) };
    case "publisher hung":
      return {
        kind,
        publisher: random.between(0, EMITTERS - 1),
        direction: random.pick(DIRECTIONS),
        ms: random.between(0, 4_000),
      };
    case "Redis killed":
    case "Redis restarted without its file":
      return { kind, ms: random.between(0, 2_500) };
    case "Redis frozen":
    case "Redis full":
      return { kind, ms: random.between(1_000, 4_000) };
    case "Redis slow":
      return { kind, ms: random.between(1_000, 8_000) };
    case "Redis read-only": {
      const how = random.pick(["as a replica", "for want of replicas"] as const);
      return { kind, how, ms: random.between(500, 3_000) };
    }
    case "Redis back from a snapshot":
    case "Redis replaced by a stale replica":
      return { kind, behindMs: random.between(20, 1_000), ms: random.between(0, 1_000) };
    case "clients cut off":
      return {
        kind,
        clients: random.some(clients, random.pick([0.02, 0.1, 0.3])),
        cut: random.pick(["reset", "vanish", "gap"] as const),
        ms: random.between(500, 4_000),
      };
    case "clients ended in their first packet":
      return { kind, count: random.between(5, 20), replica };
    case "primary killed":
      return { kind, ms: random.between(0, 2_500) };
    case "node hung": {
      const node = random.between(0, 5);
      return { kind, node, direction: random.pick(DIRECTIONS), ms: random.between(0, 4_000) };
    }
    case "subscribers cut":
    case "commands cut":
    case "Redis flushed":
    case "failover planned":
    case "slots moved":
      return { kind };
  }
}
