import { Status } from "../replies.js";
import { CommandError } from "../database.js";
import { integer, need, reads, writes, type Command } from "./command.js";

export const KEYS: Readonly<Record<string, Command>> = {
  EXISTS: reads((keys, { database }) => keys.filter((key) => database.find(key)).length),
  TYPE: reads(([key = ""], { database }) => new Status(database.find(key)?.kind ?? "none")),
  DEL: writes((keys, { database }) => keys.filter((key) => database.delete(key)).length),
  PTTL: reads(([key = ""], { database, now }) => {
    if (!database.find(key)) return -2;
    const expiresAt = database.expiry(key);
    return expiresAt === undefined ? -1 : Math.max(0, expiresAt - Math.floor(now));
  }),
  PEXPIRE: writes((args, { database, now }) => {
    const [key, ms, option] = [need(args, 0), integer(need(args, 1)), args[2]?.toUpperCase()];
    if (option !== undefined && option !== "GT") throw new CommandError("ERR syntax error");
    if (!database.find(key)) return 0;
    const at = Math.floor(now) + ms;
    // What does not expire lives longer than anything.
    if (option === "GT" && at <= (database.expiry(key) ?? Infinity)) return 0;
    if (ms <= 0) database.delete(key);
    else database.expireAt(key, at);
    return 1;
  }),
};
