import { slotOf } from "../../../../emitter/dist/redis/connection/cluster/slots.js";
import { COMMANDS } from "../commands/commands.js";

/** Commands whose arguments are all keys, or channels of a slot. */
const ALL_KEYS: ReadonlySet<string> = new Set([
  "DEL",
  "EXISTS",
  "RENAME",
  "SSUBSCRIBE",
  "SUNSUBSCRIBE",
]);
const NO_KEYS: ReadonlySet<string> = new Set(["TIME", "INFO", "PUBLISH"]);
/** Whose keys are channels: none of them can be missing. */
const OF_CHANNELS: ReadonlySet<string> = new Set(["SSUBSCRIBE", "SUNSUBSCRIBE", "SPUBLISH"]);

/** Names of keys are few, and asked about again and again. */
const slots = new Map<string, number>();
const MAX_KNOWN = 10_000;

export function knownSlotOf(key: string): number {
  let slot = slots.get(key);
  if (slot === undefined) {
    if (slots.size >= MAX_KNOWN) slots.clear();
    slot = slotOf(key);
    slots.set(key, slot);
  }
  return slot;
}

/** What decides which node of a cluster a command belongs to. */
export interface KeysOfCommand {
  readonly keys: readonly string[];
  readonly areChannels: boolean;
}

export function keysOf(words: readonly string[]): KeysOfCommand {
  const [given = "", ...args] = words;
  const name = given.toUpperCase();
  const areChannels = OF_CHANNELS.has(name);
  if (ALL_KEYS.has(name)) return { keys: args, areChannels };
  if (name === "EVAL" || name === "EVALSHA")
    return { keys: args.slice(2, 2 + Number(args[1])), areChannels };
  if (name === "XINFO") return { keys: args.slice(1, 2), areChannels };
  const hasKey = COMMANDS.has(name) && !NO_KEYS.has(name);
  return { keys: hasKey ? args.slice(0, 1) : [], areChannels };
}
