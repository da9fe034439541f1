import { CLIENT_KINDS, type ClientKind } from "../helpers/clients/clients.js";
import type { Role } from "@inthon/emitter/protocol";
import type { ChaosOptions } from "./options.js";
import { randomFrom, type Random } from "./random.js";

/** How a client's connection ends without a close. */
export type Cut =
  /** Both sides find it broken. */
  | "reset"
  /** The client has gone elsewhere; the server's side stays open, and silent. */
  | "vanish"
  /** Nothing passes for a while, in either direction; then the client gives it up. */
  | "gap";

/** Something that breaks, and for how long. */
export type Fault =
  | { readonly kind: "replica killed"; readonly replica: number; readonly ms: number }
  | { readonly kind: "replica frozen"; readonly replica: number; readonly ms: number }
  | { readonly kind: "subscribers cut" }
  | { readonly kind: "commands cut" }
  | { readonly kind: "Redis killed"; readonly ms: number }
  | { readonly kind: "Redis frozen"; readonly ms: number }
  | {
      readonly kind: "clients cut off";
      readonly clients: readonly number[];
      readonly cut: Cut;
      readonly ms: number;
    }
  | { readonly kind: "Redis flushed" }
  | { readonly kind: "Redis restarted without its file"; readonly ms: number };

export type FaultKind = Fault["kind"];

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

const REPLICAS = 3;
const LATE_SHARE = 0.2;
const TEACHER_SHARE = 0.2;
/** Polling costs both sides most: a real class has few of them. */
const KIND_WEIGHTS: Record<ClientKind, number> = { websocket: 4, polling: 1, upgrade: 1, plain: 4 };
const PAUSE_MS = { min: 200, max: 1_800 };
/** What a killed process needs to be back, on a busy machine, before it is hit again. */
const REPLICA_START_MS = 3_000;
const REDIS_START_MS = 1_000;

/** The frequency of each fault; those that make Redis forget come with `--forget` only. */
const WEIGHTS: readonly (readonly [FaultKind, number])[] = [
  ["clients cut off", 6],
  ["replica killed", 3],
  ["replica frozen", 3],
  ["subscribers cut", 3],
  ["commands cut", 2],
  ["Redis killed", 2],
  ["Redis frozen", 1],
];
const FORGETTING: typeof WEIGHTS = [
  ["Redis flushed", 2],
  ["Redis restarted without its file", 2],
];

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
  const weights = options.forget ? [...WEIGHTS, ...FORGETTING] : WEIGHTS;
  const kinds = weights.flatMap(([kind, weight]) => Array<FaultKind>(weight).fill(kind));
  // First one of each kind, so that a short run has them all; then by weight.
  const hand = random.shuffled(weights.map(([kind]) => kind));
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
    if (target !== "") busyUntil.set(target, atMs + ("ms" in fault ? fault.ms : 0) + startMs);
  }
  return faults;
}

function planFault(kind: FaultKind, { clients }: ChaosOptions, random: Random): Fault {
  switch (kind) {
    case "replica killed":
      return { kind, replica: random.between(0, REPLICAS - 1), ms: random.between(0, 3_000) };
    case "replica frozen":
      return { kind, replica: random.between(0, REPLICAS - 1), ms: random.between(1_000, 8_000) };
    case "Redis killed":
    case "Redis restarted without its file":
      return { kind, ms: random.between(0, 2_500) };
    case "Redis frozen":
      return { kind, ms: random.between(1_000, 4_000) };
    case "clients cut off":
      return {
        kind,
        clients: random.some(clients, random.pick([0.02, 0.1, 0.3])),
        cut: random.pick(["reset", "vanish", "gap"] as const),
        ms: random.between(500, 4_000),
      };
    case "subscribers cut":
    case "commands cut":
    case "Redis flushed":
      return { kind };
  }
}

/** The process that a fault takes away; an empty string where it takes none. */
function targetOf(fault: Fault): string {
  switch (fault.kind) {
    case "replica killed":
    case "replica frozen":
      return `replica ${fault.replica}`;
    case "Redis killed":
    case "Redis frozen":
    case "Redis restarted without its file":
    case "Redis flushed":
      return "Redis";
    case "subscribers cut":
    case "commands cut":
    case "clients cut off":
      return "";
  }
}
