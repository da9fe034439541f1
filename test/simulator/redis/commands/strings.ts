import { CommandError } from "../database.js";
import { OK } from "../replies.js";
import { grows, integer, need, reads, writes, type Command } from "./command.js";

export const STRINGS: Readonly<Record<string, Command>> = {
  GET: reads(([key = ""], { database }) => database.get(key, "string")?.text ?? null),
  SET: grows((args, { database, now }) => {
    const [key, text, ...options] = [need(args, 0), need(args, 1), ...args.slice(2)];
    let expiresAt: number | undefined;
    let before: string | null | undefined;
    for (let i = 0; i < options.length; i++) {
      const option = need(options, i).toUpperCase();
      if (option === "PX" || option === "EX") {
        const ms = integer(need(options, ++i)) * (option === "EX" ? 1_000 : 1);
        if (ms <= 0) throw new CommandError("ERR invalid expire time in 'set' command");
        expiresAt = Math.floor(now) + ms;
      } else if (option === "NX") {
        if (database.find(key)) return null;
      } else if (option === "GET") {
        before = database.get(key, "string")?.text ?? null;
      } else {
        throw new CommandError("ERR syntax error");
      }
    }
    database.set(key, { kind: "string", text }, expiresAt);
    return before === undefined ? OK : before;
  }),
  GETRANGE: reads((args, { database }) => {
    const text = database.get(need(args, 0), "string")?.text ?? "";
    let [from, to] = [integer(need(args, 1)), integer(need(args, 2))];
    if (from < 0 && to < 0 && from > to) return "";
    if (from < 0) from = Math.max(0, text.length + from);
    if (to < 0) to = Math.max(0, text.length + to);
    to = Math.min(to, text.length - 1);
    return from > to || text === "" ? "" : text.slice(from, to + 1);
  }),
  APPEND: grows((args, { database }) => {
    const value = database.make(need(args, 0), "string");
    value.text += need(args, 1);
    return value.text.length;
  }),
  RENAME: writes((args, { database }) => {
    if (!database.rename(need(args, 0), need(args, 1))) throw new CommandError("ERR no such key");
    return OK;
  }),
};
