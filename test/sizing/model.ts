import { OTHERS, type Figures } from "./figures.js";

/** What is asked for. */
export interface Demand {
  readonly connections: number;
  readonly sessions: number;
  /** Events in a second, each to one role room; one for both counts as two. */
  readonly events: number;
  readonly lectureMinutes: number;
  readonly historyLimit: number;
  readonly historyTtlS: number;
  /** Memory of a replica, in bytes. */
  readonly memoryBytes: number;
  /** On how many replicas the clients of one session are, at most; `undefined`: on any. */
  readonly spread: number | undefined;
  /** Whether each replica has a canary: a session of its own, with one student, somewhere in the cluster. */
  readonly hasCanaries: boolean;
  /** Whether events are confirmed when replicas of Redis have them, by REDIS_WAIT_REPLICAS. */
  readonly waitsForReplicas: boolean;
}

/** What a number of replicas means, each for itself and all together. */
export interface Load {
  readonly replicas: number;
  /** Replicas that hold the students' room of a session. */
  readonly holders: number;
  readonly deliveriesPerS: number;
  /** Cores that one replica uses. */
  readonly cores: number;
  readonly heapBytes: number;
  readonly subscriptions: number;
  /** Sessions of canaries, and what they publish in a second. */
  readonly canaries: number;
  readonly beatsPerS: number;
}

/** What decides how many there must be, each by itself. */
export interface Needs {
  readonly connections: number;
  readonly cpu: number;
  readonly memory: number;
  readonly zones: number;
}

export interface RedisLoad {
  readonly publishCores: number;
  readonly copyCores: number;
  readonly readCores: number;
  readonly historyBytes: number;
  readonly subscriptionBytes: number;
  readonly clients: number;
}

export interface Sizing {
  readonly demand: Demand;
  /** Students in a session. */
  readonly students: number;
  /** Events that a history holds. */
  readonly eventsInHistory: number;
  readonly load: Load;
  readonly needs: Needs;
  readonly redis: RedisLoad;
  /** How many masters each would take by itself. */
  readonly masters: Readonly<Record<"cpu" | "memory" | "clients", number>>;
}

/** A core's microseconds in a second. */
const CORE_US = 1e6;
/** A session in Redis is looked up by three reads, a teacher by two. */
const READS_OF_SESSION = 3;
const READS_OF_TEACHER = 2;
/** Of what the benchmark's figure for publishing has in it already. */
const COPIES_MEASURED = 3;
/** Commands, and subscriptions; and waiting, which blocks its connection. */
const LINKS = 2;
const LINKS_WITH_WAITING = 3;
const MAX_REPLICAS = 1_000_000;

/** How large it has to be, each number by the formula that `report.ts` prints beside it. */
export function size(demand: Demand, figures: Figures): Sizing {
  const students = Math.max(1, demand.connections / demand.sessions - 1);
  const perLecture = (demand.events / demand.sessions) * demand.lectureMinutes * 60;
  const eventsInHistory = Math.min(demand.historyLimit, perLecture);
  const loadOf = (replicas: number): Load =>
    loadWith(replicas, demand, students, eventsInHistory, figures);

  const needs: Needs = {
    connections: Math.ceil(demand.connections / OTHERS.connectionsEach.value),
    cpu: leastReplicas((it) => loadOf(it).cores <= OTHERS.coreShare.value),
    memory: leastReplicas(
      (it) => loadOf(it).heapBytes <= OTHERS.heapShare.value * demand.memoryBytes,
    ),
    zones: OTHERS.leastReplicas.value,
  };
  const load = loadOf(Math.max(needs.connections, needs.cpu, needs.memory, needs.zones));
  const redis = redisWith(load, demand, eventsInHistory, figures);
  const cores = redis.publishCores + redis.copyCores + redis.readCores;
  return {
    demand,
    students,
    eventsInHistory,
    load,
    needs,
    redis,
    masters: {
      cpu: cores / OTHERS.redisShare.value,
      memory: (redis.historyBytes + redis.subscriptionBytes) / OTHERS.redisBytes.value,
      clients: redis.clients / OTHERS.redisClients.value,
    },
  };
}

function loadWith(
  replicas: number,
  { connections, sessions, events, spread, hasCanaries, historyLimit }: Demand,
  students: number,
  eventsInHistory: number,
  figures: Figures,
): Load {
  // Each student on any of `among`: how many of these have one at least.
  const among = Math.min(replicas, spread ?? replicas);
  const holders = among * (1 - (1 - 1 / among) ** students);
  const deliveriesPerS = events * students;
  const canaries = hasCanaries ? replicas : 0;
  // One holder, and one delivery.
  const beatsPerS = canaries / OTHERS.beatS.value;
  const us =
    (events * holders + beatsPerS) * figures.eventUs.value +
    (deliveriesPerS + beatsPerS) * figures.deliveryUs.value;
  // The teacher's room beside it: one member, on one replica.
  const subscriptions = sessions * (holders + 1) + canaries;
  return {
    replicas,
    holders,
    deliveriesPerS,
    cores: us / CORE_US / replicas,
    heapBytes:
      OTHERS.baseBytes.value +
      (connections * figures.connectionBytes.value +
        (sessions * holders * eventsInHistory + canaries * historyLimit) *
          OTHERS.cachedBytes.value) /
        replicas,
    subscriptions,
    canaries,
    beatsPerS,
  };
}

/** The least that is enough: what one has to do falls with their number, or there is no such number. */
function leastReplicas(isEnough: (replicas: number) => boolean): number {
  let [tooFew, enough] = [0, 1];
  while (!isEnough(enough)) {
    if (enough >= MAX_REPLICAS) return Infinity;
    [tooFew, enough] = [enough, enough * 2];
  }
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (isEnough(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

function redisWith(
  { replicas, holders, subscriptions, canaries, beatsPerS }: Load,
  { sessions, events, lectureMinutes, historyTtlS, historyLimit, waitsForReplicas }: Demand,
  eventsInHistory: number,
  figures: Figures,
): RedisLoad {
  const copies = Math.max(0, holders - COPIES_MEASURED);
  const links = waitsForReplicas ? LINKS_WITH_WAITING : LINKS;
  const { value: leaseS } = OTHERS.leaseS;
  const readsPerS =
    ((sessions * holders + canaries) * READS_OF_SESSION) / leaseS +
    (sessions * READS_OF_TEACHER) / (0.4 * leaseS);
  // Those that are over are kept until they expire.
  const histories = sessions * (1 + historyTtlS / (lectureMinutes * 60));
  return {
    publishCores: ((events + beatsPerS) * figures.publishUs.value) / CORE_US,
    copyCores: (events * copies * OTHERS.copyUs.value) / CORE_US,
    readCores: (readsPerS * OTHERS.readUs.value) / CORE_US,
    // A canary's goes on as long as its replica, and is full then.
    historyBytes:
      (histories * eventsInHistory + canaries * historyLimit) * OTHERS.storedBytes.value,
    subscriptionBytes: subscriptions * OTHERS.subscriptionBytes.value,
    clients: replicas * links,
  };
}
