import { Classroom, type ClassroomOptions } from "./classroom/classroom.js";
import type { ClassroomServer } from "./classroom/connection.js";
import { Presence } from "./classroom/presence/presence.js";
import { PresenceUpkeep } from "./classroom/presence/upkeep.js";
import type { Happenings } from "./classroom/report/happenings.js";
import type { Cluster } from "./cluster/cluster.js";
import type { Config } from "./config/config.js";

/** What a replica waits for, when it leaves, of changes of presence that are under way. */
const PRESENCE_CLOSE_TIMEOUT_MS = 3_000;

/** What a replica has of its edge: how those are reached who come in by it. */
export type Edge = Pick<ClassroomOptions, "laneTo" | "stayAway" | "tokenGate" | "door" | "closing">;

/** What the parts of a replica tell. */
export type Telemetry = Pick<ClassroomOptions, "refusals" | "counts" | "log"> & {
  /** Where operators are told of it. */
  readonly happenings?: Happenings;
};

/** A replica without its edge: what the server runs, and what is simulated. */
export interface Replica {
  readonly classroom: Classroom;
  readonly teachers: Presence;
  /** Lets go of what was held for those who are sent away. @param gone - settles when all of them have gone */
  close(gone: Promise<unknown>): Promise<void>;
}

/**
 * Puts classroom and cluster together, by way of presence and the lease, and begins the lease.
 *
 * @param io - the server that connections come to
 */
export function openReplica(
  config: Config,
  io: ClassroomServer,
  cluster: Cluster,
  { counts, log, refusals, happenings }: Telemetry,
  edge: Edge,
): Replica {
  const { broker, presence, lease } = cluster;
  const { historyMaxBytes, maxConnectionsPerRoom, maxUnreadBytes } = config.limits;
  const teachers = new Presence(presence, broker.publisher, lease, {
    graceMs: config.teacherOfflineGraceMs,
    counts,
    log,
  });
  const classroom = new Classroom(io, cluster, teachers, {
    historyLimit: config.historyLimit,
    historyMaxBytes,
    maxConnectionsPerRoom,
    maxUnreadBytes,
    refusals,
    counts,
    log,
    ...edge,
  });
  const upkeep = new PresenceUpkeep(presence, lease, teachers, classroom.beliefs, log);
  lease.start({
    onNewName: (before) => {
      if (before !== undefined) counts.leasesLost++;
      teachers.claimAll();
    },
    onPartAnew: (has) => {
      teachers.claimAll(has);
    },
    onSettled: () => {
      upkeep.checkAll();
    },
    onRenewed: () => {
      upkeep.onRenewed();
    },
    onEnd: async (node, end) => {
      await teachers.sweep(node);
      if (end !== "died") return;
      counts.sweeps++;
      happenings?.note("died", node);
    },
  });
  return {
    classroom,
    teachers,
    close: async (gone) => {
      await Promise.all([gone, teachers.close(PRESENCE_CLOSE_TIMEOUT_MS)]);
      await lease.stop(teachers.isEmpty);
      classroom.close();
    },
  };
}
