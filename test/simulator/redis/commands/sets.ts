import { CommandError } from "../database.js";
import { grows, need, reads, writes, type Command } from "./command.js";

export const SETS: Readonly<Record<string, Command>> = {
  SADD: grows(([key = "", ...members], { database }) => {
    const set = database.make(key, "set").members;
    const before = set.size;
    for (const member of members) set.add(member);
    return set.size - before;
  }),
  SREM: writes(([key = "", ...members], { database }) => {
    const set = database.get(key, "set")?.members;
    if (!set) return 0;
    const removed = members.filter((member) => set.delete(member)).length;
    database.dropIfEmpty(key, set.size);
    return removed;
  }),
  SCARD: reads(([key = ""], { database }) => database.get(key, "set")?.members.size ?? 0),
  SMEMBERS: reads(([key = ""], { database }) => [...(database.get(key, "set")?.members ?? [])]),
  SISMEMBER: reads((args, { database }) =>
    database.get(need(args, 0), "set")?.members.has(need(args, 1)) === true ? 1 : 0,
  ),
  // A set that is short is read in one go.
  SSCAN: reads(([key = "", cursor = ""], { database }) => {
    if (!/^\d+$/.test(cursor)) throw new CommandError("ERR invalid cursor");
    return ["0", [...(database.get(key, "set")?.members ?? [])]];
  }),
  HSET: grows(([key = "", ...pairs], { database }) => {
    if (pairs.length === 0 || pairs.length % 2 > 0)
      throw new CommandError("ERR wrong number of arguments for 'hset' command");
    const { fields } = database.make(key, "hash");
    const before = fields.size;
    for (let i = 0; i < pairs.length; i += 2) fields.set(need(pairs, i), need(pairs, i + 1));
    return fields.size - before;
  }),
  HDEL: writes(([key = "", ...names], { database }) => {
    const fields = database.get(key, "hash")?.fields;
    if (!fields) return 0;
    const removed = names.filter((name) => fields.delete(name)).length;
    database.dropIfEmpty(key, fields.size);
    return removed;
  }),
  HLEN: reads(([key = ""], { database }) => database.get(key, "hash")?.fields.size ?? 0),
  HMGET: reads(([key = "", ...names], { database }) => {
    const fields = database.get(key, "hash")?.fields;
    return names.map((name) => fields?.get(name) ?? null);
  }),
};
