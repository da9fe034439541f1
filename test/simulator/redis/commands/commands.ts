import { need, reads, type Command } from "./command.js";
import { KEYS } from "./keys.js";
import { SETS } from "./sets.js";
import { SORTED_SETS } from "./sorted-sets.js";
import { STREAMS } from "./streams.js";
import { STRINGS } from "./strings.js";

/** The commands that the product uses, as far as they change or read keys, or can be called by a script. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries({
    ...KEYS,
    ...STRINGS,
    ...SETS,
    ...SORTED_SETS,
    ...STREAMS,
    TIME: reads((_args, { now }) => [
      String(Math.floor(now / 1_000)),
      String(Math.floor((now % 1_000) * 1_000)),
    ]),
    INFO: reads(([section = ""], context) => context.info(section.toLowerCase())),
    PUBLISH: reads((args, context) => context.publish(need(args, 0), need(args, 1), false)),
    SPUBLISH: reads((args, context) => context.publish(need(args, 0), need(args, 1), true)),
  }),
);
