import { readFileSync } from "node:fs";
import type { RowId } from "../rows.js";
import type { Sizes } from "../sizes.js";

/** What a process has open beside its connections. */
const SPARE = 200;

/** How many files a process must be able to open: the most clients that one server and its load process hold. */
export function filesNeeded(rows: readonly RowId[], sizes: Sizes): number {
  const clientsOf = (id: RowId): number => {
    switch (id) {
      case "big-room":
      case "memory":
      case "memory-plain":
      case "connect":
      case "metrics-connect":
        return sizes.crowdClients;
      case "many-sessions":
      case "metrics-sessions":
        return sizes.sessions * (sizes.studentsPerSession + 1);
      case "latency":
        return sizes.latencyClients * 3;
      case "replicas":
        return sizes.replicaClients * 3;
      case "fan-out":
      case "fan-out-plain":
      case "fan-out-floor":
      case "bursts":
      case "metrics-room":
      case "other-traffic":
      case "publish":
      case "masters":
        return sizes.roomClients;
    }
  };
  return Math.max(...rows.map(clientsOf)) + SPARE;
}

/** How many files this process, and each that it starts, may open. Node.js raises it to the hard limit by itself. */
export function filesAllowed(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
    return soft === undefined || soft === "unlimited" ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}
