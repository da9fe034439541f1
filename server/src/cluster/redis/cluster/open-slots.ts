import { rangesOf, slotsOnTheWay, type RedisClient } from "@inthon/emitter";
import { over, type Logger } from "../../../telemetry/log.js";

/** One of the masters is asked so often, in turn; and those with open slots, each time. In milliseconds. */
const ASK_EVERY_MS = 1_000;
/** A slot that moves is on its way for as long as its keys take; one for so long has been left there, in milliseconds. */
const LEFT_AFTER_MS = 10_000;
/** Asked at once, of those with open slots. */
const MAX_SUSPECTS = 10;

/** A master of the cluster, to be asked. */
export interface AskedMaster {
  readonly name: string;
  readonly client: RedisClient | undefined;
  /** Whether a slot is its own. */
  readonly has: (slot: number) => boolean;
}

/** What is known of an open slot. */
interface Opened {
  /** When it was first seen, by the monotonic clock. */
  readonly since: number;
  /** When it was seen last. */
  readonly seenAt: number;
}

/** By master, then by slot. */
type OpenedSlots = Map<string, ReadonlyMap<number, Opened>>;

/**
 * Slots that somebody has left on their way (`MIGRATING`): in these Redis refuses all that takes several keys of which one is
 * not there. Only the two masters concerned know of it, so the masters are asked in turn, one at a time: what that costs
 * does not grow with them, only the time that it takes.
 *
 * What the other one of the two says (`IMPORTING`) counts for nothing where the slot's master does not say the same, as one that
 * has taken over from another does not: it takes all that is sent to it. That is told in the log alone.
 */
export class OpenSlots {
  readonly #log: Logger;
  readonly #masters: () => readonly AskedMaster[];
  readonly #open: OpenedSlots = new Map();
  /** Those on their way to a master, as that says. */
  readonly #awaited: OpenedSlots = new Map();
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  /** Slots that are told of. */
  #left: ReadonlySet<number> = new Set();
  #awaitedInVain: ReadonlySet<number> = new Set();

  constructor(log: Logger, masters: () => readonly AskedMaster[]) {
    this.#log = log;
    this.#masters = masters;
  }

  /** Those that have been left on their way. */
  get left(): ReadonlySet<number> {
    return this.#left;
  }

  /** Whether a slot was seen on its way when its master was asked last. */
  isOpen(slot: number): boolean {
    for (const slots of this.#open.values()) if (slots.has(slot)) return true;
    return false;
  }

  open(): void {
    this.#timer = setInterval(() => {
      this.#askSome();
    }, ASK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #askSome(): void {
    const masters = this.#masters();
    const names = new Set(masters.map(({ name }) => name));
    for (const opened of [this.#open, this.#awaited]) {
      for (const name of opened.keys()) if (!names.has(name)) opened.delete(name);
    }
    const inTurn = masters[this.#next++ % Math.max(masters.length, 1)];
    const suspects = masters.filter(
      (one) => one !== inTurn && (this.#open.has(one.name) || this.#awaited.has(one.name)),
    );
    for (const master of [inTurn, ...suspects.slice(0, MAX_SUSPECTS)]) {
      if (master?.client?.isReady) void this.#ask(master, master.client);
    }
    this.#tell();
  }

  async #ask({ name, has }: AskedMaster, client: RedisClient): Promise<void> {
    // Where it fails, the link has that told; what is known stays.
    const nodes = await client.sendCommand(["CLUSTER", "NODES"]).catch(() => undefined);
    if (nodes === undefined) return;
    const { away, here } = slotsOnTheWay(nodes);
    note(this.#open, name, away.filter(has));
    note(this.#awaited, name, here);
    this.#tell();
  }

  #tell(): void {
    const { slots: left, at } = leftOf(this.#open);
    const isNews = [...left].some((slot) => !this.#left.has(slot));
    const isOver = left.size === 0 && this.#left.size > 0;
    this.#left = left;
    if (isNews) {
      const fields = { code: "redis_slots_open", slots: rangesOf(sorted(left)), redis: at };
      this.#log.error(
        fields,
        "slots have been left on their way from one master to another: what is in them is refused until redis-cli --cluster fix",
      );
    } else if (isOver) {
      this.#log.info(over({ code: "redis_slots_open" }), "no slot is on its way any more");
    }
    this.#tellAwaited();
  }

  #tellAwaited(): void {
    const { slots, at } = leftOf(this.#awaited);
    for (const slot of slots) if (this.isOpen(slot)) slots.delete(slot);
    const isNews = [...slots].some((slot) => !this.#awaitedInVain.has(slot));
    this.#awaitedInVain = slots;
    if (!isNews) return;
    this.#log.warn(
      { slots: rangesOf(sorted(slots)), redis: at },
      "slots are awaited (IMPORTING) by a master that nobody sends them to, as after a reshard whose source has died: they are served, without what may have gone there; redis-cli --cluster fix",
    );
  }
}

/** Notes what a master has said now. */
function note(opened: OpenedSlots, name: string, slots: readonly number[]): void {
  const before = opened.get(name);
  const now = performance.now();
  const noted = slots.map((slot): [number, Opened] => [
    slot,
    { since: before?.get(slot)?.since ?? now, seenAt: now },
  ]);
  if (noted.length > 0) opened.set(name, new Map(noted));
  else opened.delete(name);
}

/** Slots that have been left, and the names of who says so. */
function leftOf(opened: OpenedSlots): { slots: Set<number>; at: string } {
  const slots = new Set<number>();
  const at = new Set<string>();
  for (const [name, these] of opened) {
    for (const [slot, { since, seenAt }] of these) {
      if (seenAt - since < LEFT_AFTER_MS) continue;
      slots.add(slot);
      at.add(name);
    }
  }
  return { slots, at: [...at].sort().join(", ") };
}

function sorted(slots: Iterable<number>): readonly number[] {
  return [...slots].sort((a, b) => a - b);
}
