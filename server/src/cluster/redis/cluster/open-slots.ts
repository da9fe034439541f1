import { openSlotsIn, rangesOf, type RedisClient } from "@inthon/emitter";
import type { Logger } from "../../../telemetry/log.js";

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
}

/** What is known of an open slot. */
interface Opened {
  /** When it was first seen, by the monotonic clock. */
  readonly since: number;
  /** When it was seen last. */
  seenAt: number;
}

/**
 * Slots that somebody has left on their way (`MIGRATING`, `IMPORTING`): in these Redis refuses all that takes several keys of
 * which one is not there. Only the two masters concerned know of it, so the masters are asked in turn, one at a time: what that costs
 * does not grow with them, only the time that it takes.
 */
export class OpenSlots {
  readonly #log: Logger;
  readonly #masters: () => readonly AskedMaster[];
  /** By master, then by slot. */
  readonly #open = new Map<string, Map<number, Opened>>();
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  /** Slots that are told of. */
  #left: ReadonlySet<number> = new Set();

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
    for (const name of this.#open.keys()) if (!names.has(name)) this.#open.delete(name);
    const inTurn = masters[this.#next++ % Math.max(masters.length, 1)];
    const suspects = masters.filter((one) => one !== inTurn && this.#open.has(one.name));
    for (const master of [inTurn, ...suspects.slice(0, MAX_SUSPECTS)]) {
      if (master?.client?.isReady) void this.#ask(master.name, master.client);
    }
    this.#tell();
  }

  async #ask(name: string, client: RedisClient): Promise<void> {
    // Where it fails, the link has that told; what is known stays.
    const nodes = await client.sendCommand(["CLUSTER", "NODES"]).catch(() => undefined);
    if (nodes === undefined) return;
    const before = this.#open.get(name);
    const now = performance.now();
    const slots = openSlotsIn(nodes).map((slot): [number, Opened] => {
      return [slot, { since: before?.get(slot)?.since ?? now, seenAt: now }];
    });
    if (slots.length > 0) this.#open.set(name, new Map(slots));
    else this.#open.delete(name);
    this.#tell();
  }

  #tell(): void {
    const left = new Set<number>();
    const at = new Set<string>();
    for (const [name, slots] of this.#open) {
      for (const [slot, { since, seenAt }] of slots) {
        if (seenAt - since < LEFT_AFTER_MS) continue;
        left.add(slot);
        at.add(name);
      }
    }
    const isNews = [...left].some((slot) => !this.#left.has(slot));
    const isOver = left.size === 0 && this.#left.size > 0;
    this.#left = left;
    if (isNews) {
      const fields = {
        code: "redis_slots_open",
        slots: rangesOf(sorted(left)),
        redis: [...at].sort().join(", "),
      };
      this.#log.error(
        fields,
        "slots have been left on their way from one master to another: what is in them is refused until redis-cli --cluster fix",
      );
    } else if (isOver) {
      this.#log.info({ code: "redis_slots_open" }, "no slot is on its way any more");
    }
  }
}

function sorted(slots: Iterable<number>): readonly number[] {
  return [...slots].sort((a, b) => a - b);
}
