import { ErrorReply, OK, type Reply } from "../replies.js";
import type { Membership, RedisServer } from "../redis-server.js";
import { keysOf, knownSlotOf } from "./routing.js";

export const SLOTS = 16_384;
export const HOST = "192.0.2.1";
const NOBODY = -1;
const BUS_PORT = 10_000;

/** From slot to slot, and who has them. */
interface Range {
  readonly first: number;
  readonly last: number;
  readonly owner: number;
}

/** What a node knows of the cluster: as much as it was told so far. */
export class Knowledge {
  /** By slot: the number of the member that has it. */
  readonly owners: Int8Array;
  /** By member: of the configuration that it has announced last. */
  readonly epochs: Map<number, number>;
  /** Members that follow another one. */
  readonly primaries: Map<number, number>;
  /** Members that all have agreed to be away. */
  readonly failed: Set<number>;

  constructor(from?: Knowledge) {
    this.owners = from ? Int8Array.from(from.owners) : new Int8Array(SLOTS).fill(NOBODY);
    this.epochs = new Map(from?.epochs);
    this.primaries = new Map(from?.primaries);
    this.failed = new Set(from?.failed);
  }

  get epoch(): number {
    return Math.max(0, ...this.epochs.values());
  }
}

/** A node of a Redis Cluster: what it has, and whom it sends on. As Redis 7.0 does (`src/cluster.c`, `getNodeByQuery`). */
export class Member implements Membership {
  readonly number: number;
  readonly id: string;
  readonly server: RedisServer;
  readonly #memberOf: (number: number) => Member | undefined;
  readonly #needsAll: boolean;
  #knowledge: Knowledge;
  /** What is told of it, as long as it is the same. */
  #told:
    | { readonly isDown: boolean; readonly info: string; readonly ranges: readonly Range[] }
    | undefined;
  /** Slots on their way from it, and to it: by whom they are awaited, and sent. */
  readonly migrating = new Map<number, Member>();
  readonly importing = new Map<number, Member>();

  /** @param needsAll - `cluster-require-full-coverage` */
  constructor(
    number: number,
    id: string,
    server: RedisServer,
    knowledge: Knowledge,
    memberOf: (number: number) => Member | undefined,
    needsAll: boolean,
  ) {
    this.number = number;
    this.id = id;
    this.server = server;
    this.#knowledge = knowledge;
    this.#memberOf = memberOf;
    this.#needsAll = needsAll;
  }

  get knowledge(): Knowledge {
    return this.#knowledge;
  }

  /** Has been told all of it. */
  set knowledge(knowledge: Knowledge) {
    this.#knowledge = knowledge;
    this.#told = undefined;
  }

  has(slot: number): boolean {
    return this.knowledge.owners[slot] === this.number;
  }

  /** Takes what it is told, and lets go of the channels of slots that it has no more. */
  learn(news: (knowledge: Knowledge) => void): void {
    const { owners } = this.knowledge;
    const before = owners.slice();
    news(this.knowledge);
    this.#told = undefined;
    const lost = new Set<number>();
    for (let slot = 0; slot < SLOTS; slot++) {
      if (before[slot] !== this.number || owners[slot] === this.number) continue;
      lost.add(slot);
      this.migrating.delete(slot);
    }
    for (const slot of this.importing.keys()) if (this.has(slot)) this.importing.delete(slot);
    if (lost.size > 0) this.server.dropShardChannels((channel) => lost.has(knownSlotOf(channel)));
  }

  /** @returns why it is not this node that does it, if it is not */
  refusalOf(words: readonly string[], isAsking: boolean): ErrorReply | undefined {
    const { keys, areChannels } = keysOf(words);
    const [first] = keys;
    if (first === undefined) return undefined;
    const slot = knownSlotOf(first);
    if (keys.some((key) => knownSlotOf(key) !== slot))
      return new ErrorReply("CROSSSLOT Keys in request don't hash to the same slot");
    const owner = this.#memberOf(this.knowledge.owners[slot] ?? NOBODY);
    if (!owner) return new ErrorReply("CLUSTERDOWN Hash slot not served");
    if (this.isDown) return new ErrorReply("CLUSTERDOWN The cluster is down");
    const missing = areChannels
      ? 0
      : keys.filter((key) => this.server.database.find(key) === undefined).length;
    const goesTo = owner === this ? this.migrating.get(slot) : undefined;
    if (goesTo && missing > 0) {
      const isSplit = missing < keys.length;
      return isSplit ? TRY_AGAIN : redirection("ASK", slot, goesTo);
    }
    if (owner !== this && isAsking && this.importing.has(slot)) {
      return keys.some((key) => key !== first) && missing > 0 ? TRY_AGAIN : undefined;
    }
    return owner === this ? undefined : redirection("MOVED", slot, owner);
  }

  /** Whether it refuses each slot. */
  get isDown(): boolean {
    return this.#tell().isDown;
  }

  #tell() {
    if (this.#told) return this.#told;
    const { owners, failed } = this.knowledge;
    const ranges = [...rangesOf(owners)];
    const isDown =
      this.#needsAll && (ranges.some(({ owner }) => failed.has(owner)) || owners.includes(NOBODY));
    return (this.#told = { ranges, isDown, info: this.#info(ranges, isDown) });
  }

  /** `CLUSTER` */
  answer(args: readonly string[]): Reply {
    switch (args[0]?.toUpperCase()) {
      case "INFO":
        return this.#tell().info;
      case "NODES":
        return this.#nodes();
      case "SLOTS":
        return this.#slots();
      case undefined:
      default:
        return OK;
    }
  }

  #info(ranges: readonly Range[], isDown: boolean): string {
    const { epochs, failed } = this.knowledge;
    const count = (all: readonly Range[]) =>
      all.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    const assigned = count(ranges);
    const lost = count(ranges.filter(({ owner }) => failed.has(owner)));
    const masters = new Set(ranges.map(({ owner }) => owner)).size;
    return [
      "cluster_enabled:1",
      `cluster_state:${isDown ? "fail" : "ok"}`,
      `cluster_slots_assigned:${String(assigned)}`,
      `cluster_slots_ok:${String(assigned - lost)}`,
      "cluster_slots_pfail:0",
      `cluster_slots_fail:${String(lost)}`,
      `cluster_known_nodes:${String(epochs.size)}`,
      `cluster_size:${String(masters)}`,
      `cluster_current_epoch:${String(this.knowledge.epoch)}`,
      `cluster_my_epoch:${String(epochs.get(this.number) ?? 0)}`,
      "",
    ].join("\r\n");
  }

  #nodes(): string {
    const { epochs, primaries, failed } = this.knowledge;
    const { ranges } = this.#tell();
    const lines = [...epochs].map(([number, epoch]) => {
      const member = this.#memberOf(number);
      if (!member) return "";
      const primary = this.#memberOf(primaries.get(number) ?? NOBODY);
      const flags = [
        ...(number === this.number ? ["myself"] : []),
        primary ? "slave" : "master",
        ...(failed.has(number) ? ["fail"] : []),
      ].join(",");
      const own = ranges
        .filter(({ owner }) => owner === number)
        .map(({ first, last }) =>
          first === last ? String(first) : `${String(first)}-${String(last)}`,
        );
      const { port } = member.server;
      return [
        member.id,
        `${HOST}:${String(port)}@${String(port + BUS_PORT)}`,
        flags,
        primary?.id ?? "-",
        "0 0",
        String(epoch),
        "connected",
        ...own,
        ...(number === this.number ? this.#open() : []),
      ].join(" ");
    });
    return lines.map((line) => `${line}\n`).join("");
  }

  #open(): string[] {
    return [
      ...[...this.migrating].map(([slot, to]) => `[${String(slot)}->-${to.id}]`),
      ...[...this.importing].map(([slot, from]) => `[${String(slot)}-<-${from.id}]`),
    ];
  }

  #slots(): Reply {
    const { primaries, failed } = this.knowledge;
    const told = (number: number): Reply[] => {
      const member = this.#memberOf(number);
      return member ? [[HOST, member.server.port, member.id, []]] : [];
    };
    return this.#tell().ranges.map(({ first, last, owner }) => [
      first,
      last,
      ...told(owner),
      ...[...primaries]
        .filter(([number, primary]) => primary === owner && !failed.has(number))
        .flatMap(([number]) => told(number)),
    ]);
  }
}

function* rangesOf(owners: Int8Array): Iterable<Range> {
  let first = 0;
  for (let slot = 1; slot <= SLOTS; slot++) {
    const owner = owners[first] ?? NOBODY;
    if (slot < SLOTS && owners[slot] === owner) continue;
    if (owner !== NOBODY) yield { first, last: slot - 1, owner };
    first = slot;
  }
}

const TRY_AGAIN = new ErrorReply("TRYAGAIN Multiple keys request during rehashing of slot");

function redirection(kind: "MOVED" | "ASK", slot: number, { server }: Member): ErrorReply {
  return new ErrorReply(`${kind} ${String(slot)} ${HOST}:${String(server.port)}`);
}
