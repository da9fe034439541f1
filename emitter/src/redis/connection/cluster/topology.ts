import { hostAndPort, type ClusterTarget, type RedisAddress } from "../redis-url.js";
import { connectionTo, DirectRoute, type RedisRoute } from "../route.js";
import type { TlsSource } from "../tls.js";
import { rangesOf, type ClusterView } from "./cluster-view.js";
import { Kinship } from "./kinship.js";
import { slotOf, SLOTS } from "./slots.js";
import { Watcher } from "./watcher.js";

/** Nodes that are asked at a time, however many there are. */
const MAX_WATCHERS = 3;
/** How long what a node has said of a slot stands against what the watched ones say, in milliseconds. */
const BELIEVED_MS = 5_000;
/** Nodes remembered that have no slots: those that slots are on their way to. */
const MAX_GUESTS = 100;

const MAX_KEYS_TRIED = 4 * SLOTS;

/** A node that has slots. */
export interface ClusterMaster {
  /** Host and port. */
  readonly name: string;
  readonly address: RedisAddress;
  readonly route: RedisRoute;
}

/** What is another way from now on. */
export interface TopologyChange {
  /** Slots that have another master now, or none. */
  readonly moved: ReadonlySet<number>;
}

/** What a node has said of a slot, by MOVED. */
interface Correction {
  readonly master: ClusterMaster;
  /** Of the claim that it corrects: a later one knows better. */
  readonly epoch: number;
  readonly until: number;
}

/**
 * Which master has which slot, as the nodes of a cluster say.
 *
 * A few of them are asked, again and again; one that does not answer is left for another. Of two claims to a slot, that of the
 * later configuration is believed, as the nodes do among themselves: so a node that was cut off leads nobody back. That holds
 * within one cluster: a node of another one is left, whatever it says.
 */
export class ClusterTopology {
  readonly name: string;
  readonly #target: ClusterTarget;
  readonly #tls: TlsSource;
  readonly #watchers: readonly Watcher[];
  readonly #listeners: ((change: TopologyChange) => void)[] = [];
  readonly #errorListeners: ((error: Error) => void)[] = [];
  readonly #recoveryListeners: (() => void)[] = [];
  /** Everybody who is asked has failed, and nobody has answered since. */
  #isAway = false;
  #opened = 0;
  /** Whom to ask: those that the nodes name, then those that the URL names. */
  #pool: readonly RedisAddress[];
  #nextInPool = 0;
  readonly #kinship: Kinship;
  /** What has been decided from. */
  #views: readonly ClusterView[] = [];
  #owners: (ClusterMaster | undefined)[] = [];
  #unassigned = SLOTS;
  #epochs = new Float64Array(SLOTS).fill(-1);
  #masters = new Map<string, ClusterMaster>();
  /** Names of masters that are away, as all who are asked say. */
  #failed: ReadonlySet<string> = new Set();
  readonly #guests = new Map<string, ClusterMaster>();
  readonly #corrections = new Map<number, Correction>();

  /** @param now - a monotonic clock, in milliseconds, by which a cluster is gone */
  constructor(target: ClusterTarget, tls: TlsSource = () => ({}), now?: () => number) {
    this.#target = target;
    this.#tls = tls;
    this.#pool = target.nodes;
    this.#kinship = new Kinship(target.nodes, now);
    this.name = `the cluster of ${target.nodes.map(hostAndPort).join(", ")}`;
    this.#watchers = Array.from(
      { length: MAX_WATCHERS },
      () =>
        new Watcher({
          next: () => this.#pick(),
          connectionTo: (address) => connectionTo(address, target, tls),
          onNews: () => {
            this.#decide();
          },
          onError: (error) => {
            if (this.hasFailed) this.#isAway = true;
            for (const listener of this.#errorListeners) listener(error);
          },
        }),
    );
  }

  /** Begins to ask, for ever. */
  open(): void {
    // More than there are nodes would only ask the same ones.
    const wanted = Math.min(this.#pool.length, MAX_WATCHERS);
    for (const watcher of this.#watchers.slice(this.#opened, wanted)) watcher.open();
    this.#opened = Math.max(this.#opened, wanted);
  }

  async close(): Promise<void> {
    await Promise.all(this.#watchers.map((watcher) => watcher.close()));
  }

  /** Why nobody says how the cluster is; `undefined` where one does. */
  get trouble(): Error | undefined {
    const watchers = this.#watchers.slice(0, this.#opened);
    if (watchers.some(({ view }) => view !== undefined)) return undefined;
    const { trouble } = watchers.find((one) => one.trouble !== undefined) ?? {};
    const why = trouble ? `: ${trouble.message}` : "";
    return new Error(`no node of the cluster has answered${why}`, { cause: trouble?.cause });
  }

  /** Whether nobody says how the cluster is, and everybody who is asked has failed to: nobody is still to answer. */
  get hasFailed(): boolean {
    const watchers = this.#watchers.slice(0, this.#opened);
    return watchers.every(({ view, trouble }) => view === undefined && trouble !== undefined);
  }

  /** How many slots nobody has. */
  get unassigned(): number {
    return this.#unassigned;
  }

  /**
   * Whether the nodes of the cluster have agreed that a master is away, and none of its replicas has taken its place. They go
   * on saying so for a while when it is back.
   */
  isFailed({ name }: ClusterMaster): boolean {
    return this.#failed.has(name);
  }

  /** @returns the same object as long as the address is the same */
  masterOf(slot: number): ClusterMaster | undefined {
    return this.#owners[slot];
  }

  /** A master and its slots, for an operator. */
  describe(master: ClusterMaster): string {
    const slots = rangesOf(this.slotsOf(master));
    return slots === "" ? master.name : `${master.name} (slots ${slots})`;
  }

  *slotsOf(master: ClusterMaster): Iterable<number> {
    for (const [slot, owner] of this.#owners.entries()) if (owner === master) yield slot;
  }

  /** Those that have slots. */
  masters(): Iterable<ClusterMaster> {
    return this.#masters.values();
  }

  onChange(listener: (change: TopologyChange) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * A key that a master has, where it has any.
   *
   * @param stem - what it begins with; braces follow
   * @param after - one that it had, and that is of no use any more: in another slot than that
   */
  keyAt(master: ClusterMaster, stem: string, after?: string): string {
    const begin = after === undefined ? 0 : Number(/\{(\d+)\}$/.exec(after)?.[1] ?? -1) + 1;
    // As many as there are slots, a few times over.
    for (let i = begin; i < begin + MAX_KEYS_TRIED; i++) {
      const key = `${stem}{${String(i)}}`;
      if (this.#owners[slotOf(key)] === master) return key;
    }
    return stem;
  }

  /** Told of each connection to a node that is asked how the cluster is, where it failed. */
  onError(listener: (error: Error) => void): void {
    this.#errorListeners.push(listener);
  }

  /** Told when a node says again how the cluster is, after all that are asked had failed; also where all is as it was. */
  onRecovery(listener: () => void): void {
    this.#recoveryListeners.push(listener);
  }

  /** Takes what a node has said by MOVED: it is believed at once, until a later configuration says otherwise. */
  moved(slot: number, address: RedisAddress): void {
    if (!(slot >= 0 && slot < SLOTS)) return;
    for (const watcher of this.#watchers.slice(0, this.#opened)) watcher.hurry();
    const master = this.nodeAt(address);
    if (this.#owners[slot] === master) return;
    const until = performance.now() + BELIEVED_MS;
    this.#corrections.set(slot, { master, epoch: this.#epochs[slot] ?? -1, until });
    if (!this.#owners[slot]) this.#unassigned--;
    this.#owners[slot] = master;
    this.#masters.set(master.name, master);
    this.#tell(new Set([slot]));
  }

  /** A node that only an ASK has named, or any other. */
  nodeAt(address: RedisAddress): ClusterMaster {
    const name = hostAndPort(address);
    const known = this.#masters.get(name) ?? this.#guests.get(name);
    if (known) return known;
    const { username, password, isTls } = this.#target;
    const route = new DirectRoute(
      { kind: "standalone", address, username, password, isTls },
      this.#tls,
    );
    const node = { name, address, route };
    if (this.#guests.size >= MAX_GUESTS) this.#guests.clear();
    this.#guests.set(name, node);
    return node;
  }

  #pick(): RedisAddress {
    const asked = this.#watchers.flatMap(({ address }) => (address ? [hostAndPort(address)] : []));
    const pool = this.#pool;
    const begin = this.#nextInPool++ % pool.length;
    const order = [...pool.slice(begin), ...pool.slice(0, begin)];
    const pick = order.find((address) => !asked.includes(hostAndPort(address))) ?? order[0];
    if (!pick) throw new Error("no node of the cluster is known");
    return pick;
  }

  /** Told of each news of a watcher. */
  #decide(): void {
    const { own, strangers } = this.#kinship.sort(this.#watchers.slice(0, this.#opened));
    for (const watcher of strangers) watcher.leave(new Error("this node is another cluster's"));
    let views = own;
    if (views.length === 0) return;
    if (this.#isAway) {
      this.#isAway = false;
      for (const listener of this.#recoveryListeners) listener();
    }
    const isSame =
      views.length === this.#views.length && views.every((view, i) => view === this.#views[i]);
    if (isSame && this.#corrections.size === 0) return;
    this.#views = views;
    const newest = views.reduce((best, view) => (isNewer(view, best) ? view : best));
    this.#kinship.learn(newest);
    for (const watcher of this.#watchers) {
      // It has been taken out of the cluster, and goes on as it was.
      if (!watcher.view || !own.includes(watcher.view)) continue;
      if (newest.ids.has(watcher.view.myself)) continue;
      watcher.leave(new Error("the others do not know this node"));
    }
    views = views.filter(({ myself }) => newest.ids.has(myself));
    const known = new Map(
      [...views.flatMap(({ addresses }) => addresses), ...this.#target.nodes].map((address) => [
        hostAndPort(address),
        address,
      ]),
    );
    this.#pool = [...known.values()];
    this.open();
    this.#believe(views);
  }

  #believe(views: readonly ClusterView[]): void {
    const before = this.#owners;
    const owners = new Array<ClusterMaster | undefined>(SLOTS).fill(undefined);
    const epochs = (this.#epochs = new Float64Array(SLOTS).fill(-1));
    const all = views.flatMap(({ claims }) => claims);
    const names = (hasFailed: boolean) =>
      all.filter((one) => one.hasFailed === hasFailed).map(({ master }) => hostAndPort(master));
    // One that some find at work may have come back, or be away for who is cut off alone.
    const working = new Set(names(false));
    this.#failed = new Set(names(true).filter((name) => !working.has(name)));
    for (const { claims } of views) {
      for (const { first, last, master: address, epoch } of claims) {
        const master = this.nodeAt(address);
        for (let slot = first; slot <= last; slot++) {
          if (epoch <= (epochs[slot] ?? -1)) continue;
          epochs[slot] = epoch;
          owners[slot] = master;
        }
      }
    }
    for (const [slot, { master, epoch, until }] of this.#corrections) {
      const isOver =
        owners[slot] === master || (epochs[slot] ?? -1) > epoch || performance.now() > until;
      if (isOver) this.#corrections.delete(slot);
      else owners[slot] = master;
    }
    const masters = new Map<string, ClusterMaster>();
    const moved = new Set<number>();
    let unassigned = 0;
    for (const [slot, owner] of owners.entries()) {
      if (owner) masters.set(owner.name, owner);
      else unassigned++;
      if (owner !== before[slot]) moved.add(slot);
    }
    this.#owners = owners;
    this.#unassigned = unassigned;
    this.#masters = masters;
    for (const name of masters.keys()) this.#guests.delete(name);
    if (moved.size > 0) this.#tell(moved);
  }

  #tell(moved: ReadonlySet<number>): void {
    for (const listener of this.#listeners) listener({ moved });
  }
}

/** Of two of one epoch, the one who knows more nodes: one that has been taken out forgets the others. */
function isNewer(one: ClusterView, other: ClusterView): boolean {
  return one.epoch !== other.epoch ? one.epoch > other.epoch : one.ids.size > other.ids.size;
}
