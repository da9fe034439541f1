import { fieldsOf } from "../client.js";
import { hostAndPort, type RedisAddress } from "../redis-url.js";
import { SLOTS } from "./slots.js";

/** Slots that a node says are another one's, or its own. */
interface Claim {
  readonly first: number;
  readonly last: number;
  readonly master: RedisAddress;
  /** Of the configuration that gave it to that one: of two, the cluster itself believes the later. */
  readonly epoch: number;
  /** Whether the nodes have agreed that this master is away (`fail`, and not `fail?`), and nobody has taken its place. */
  readonly hasFailed: boolean;
}

/** The cluster, as one of its nodes sees it. */
export interface ClusterView {
  /** The newest epoch that it has heard of: lower than others' where it is cut off. */
  readonly epoch: number;
  /** Its own name. */
  readonly myself: string;
  /** The names of all that it knows, itself included. */
  readonly ids: ReadonlySet<string>;
  /** Masters of slots, and their replicas that work. */
  readonly addresses: readonly RedisAddress[];
  readonly claims: readonly Claim[];
  /** All of it, to be compared. */
  readonly text: string;
}

/** What of `CLUSTER INFO` changes when the cluster does. */
export function summaryOf(info: unknown): string {
  const lines = String(info).match(
    /^cluster_(?:state|slots_assigned|slots_ok|known_nodes|current_epoch):\w+/gm,
  );
  return lines?.join(" ") ?? "";
}

/**
 * Reads what a node answers.
 *
 * @param asked - where it was asked: a node that does not know its own address means that one
 * @param nodes - `CLUSTER NODES`, which alone tells epochs
 * @param slots - `CLUSTER SLOTS`, which alone tells which of their addresses nodes want to be called by
 * @throws where they are none
 */
export function readView(
  asked: RedisAddress,
  summary: string,
  nodes: unknown,
  slots: unknown,
): ClusterView {
  const epochs = new Map<string, number>();
  const failed = new Set<string>();
  let myself = "";
  for (const line of String(nodes).split("\n")) {
    // id, address, flags, master, ping, pong, epoch, state of the link, slots
    const [id = "", , flags = "", , , , epoch] = line.split(" ");
    if (epoch === undefined) continue;
    epochs.set(id, Number(epoch));
    const words = flags.split(",");
    if (words.includes("myself")) myself = id;
    if (words.includes("fail")) failed.add(id);
  }
  const epoch = Number(/current_epoch:(\d+)/.exec(summary)?.[1]);
  if (myself === "" || !Number.isInteger(epoch) || !Array.isArray(slots)) throw notACluster();
  const addresses = new Map<string, RedisAddress>();
  const claims = (slots as readonly unknown[]).map((range): Claim => {
    if (!Array.isArray(range)) throw notACluster();
    const [first, last, ...members] = range as readonly unknown[];
    const [master, ...replicas] = members.map((member) => readMember(member, asked));
    const [from, to] = [Number(first), Number(last)];
    if (!master || !(from >= 0 && from <= to && to < SLOTS)) throw notACluster();
    for (const { address } of [master, ...replicas]) addresses.set(hostAndPort(address), address);
    const [epoch, hasFailed] = [epochs.get(master.id) ?? 0, failed.has(master.id)];
    return { first: from, last: to, master: master.address, epoch, hasFailed };
  });
  const parts = claims.map(
    ({ first, last, master, epoch: of, hasFailed }) =>
      `${String(first)}-${String(last)} ${hostAndPort(master)} ${String(of)} ${String(hasFailed)}`,
  );
  const ids = new Set(epochs.keys());
  const text = [summary, myself, ...ids, ...addresses.keys(), ...parts].join("\n");
  return { epoch, myself, ids, addresses: [...addresses.values()], claims, text };
}

/** Slots that a node says are on their way. */
export interface SlotsOnTheWay {
  /** From it (`MIGRATING`): what takes several keys, of which one is not there, it refuses. */
  readonly away: readonly number[];
  /** To it (`IMPORTING`): of no effect, as long as whoever has the slot does not send anybody to it. */
  readonly here: readonly number[];
}

/**
 * Slots that a node says are on their way from it or to it. Only itself knows.
 *
 * @param nodes - its `CLUSTER NODES`
 */
export function slotsOnTheWay(nodes: unknown): SlotsOnTheWay {
  const own = String(nodes)
    .split("\n")
    .find((line) => /^\S+ \S+ \S*\bmyself\b/.test(line));
  // [slot->-where to] or [slot-<-where from]
  const open = [...(own?.matchAll(/ \[(\d+)-([<>])-/g) ?? [])];
  const slots = (way: string) =>
    open.filter(([, , to]) => to === way).map(([, slot]) => Number(slot));
  return { away: slots(">"), here: slots("<") };
}

/** Slots as an operator reads them: `0-5460, 9`, and no more than so many parts of that. */
export function rangesOf(slots: Iterable<number>, most = 3): string {
  const ranges: [first: number, last: number][] = [];
  for (const slot of slots) {
    const range = ranges.at(-1);
    if (range?.[1] === slot - 1) range[1] = slot;
    else ranges.push([slot, slot]);
  }
  const told = ranges
    .slice(0, most)
    .map(([first, last]) => (first === last ? String(first) : `${String(first)}-${String(last)}`));
  const more = ranges.length - told.length;
  return more > 0 ? `${told.join(", ")} and ${String(more)} more parts` : told.join(", ");
}

/** A node in `CLUSTER SLOTS`: its address, port, id, and its other addresses. */
function readMember(member: unknown, asked: RedisAddress): { id: string; address: RedisAddress } {
  if (!Array.isArray(member)) throw notACluster();
  const [endpoint, port, id, others] = member as readonly unknown[];
  // A null, or an empty one: the node does not know, or does not want to say.
  let host = textOr(endpoint, asked.host);
  // A name was wanted, and it has none.
  if (host === "?") host = textOr(fieldsOf(others).get("ip"), asked.host);
  if (!(Number(port) >= 1 && Number(port) <= 65_535)) throw notACluster();
  return { id: String(id), address: { host, port: Number(port) } };
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === "string" && value !== "" ? value : fallback;
}

function notACluster(): Error {
  return new Error("a node of the cluster has given an answer that is none");
}
