import { CommandError } from "../database.js";
import { FlatMap, type Reply } from "../replies.js";
import {
  compareIds,
  FIRST,
  idText,
  LAST,
  type Stream,
  type StreamEntry,
  type StreamId,
} from "../stream.js";
import { grows, integer, need, reads, writes, type Command } from "./command.js";

const BAD_ID = "ERR Invalid stream ID specified as stream command argument";
const TOO_SMALL =
  "ERR The ID specified in XADD is equal or smaller than the target stream top item";

function parseId(text: string, missingSeq: number): StreamId {
  const [, ms, , seq] = /^(\d+)(-(\d+))?$/.exec(text) ?? [];
  if (ms === undefined) throw new CommandError(BAD_ID);
  return { ms: Number(ms), seq: seq === undefined ? missingSeq : Number(seq) };
}

interface Bound {
  readonly id: StreamId;
  readonly isOpen: boolean;
}

function parseBound(text: string, missingSeq: number): Bound {
  const isOpen = text.startsWith("(");
  const rest = isOpen ? text.slice(1) : text;
  const id = rest === "-" ? FIRST : rest === "+" ? LAST : parseId(rest, missingSeq);
  return { id, isOpen };
}

function entriesIn(stream: Stream | undefined, from: Bound, to: Bound): StreamEntry[] {
  return (stream?.entries ?? []).filter((entry) => {
    const [low, high] = [compareIds(entry, from.id), compareIds(entry, to.id)];
    return (from.isOpen ? low > 0 : low >= 0) && (to.isOpen ? high < 0 : high <= 0);
  });
}

function told(entries: readonly StreamEntry[], options: readonly string[]): Reply {
  const count = options[0]?.toUpperCase() === "COUNT" ? integer(need(options, 1)) : Infinity;
  return entries.slice(0, Math.max(0, count)).map((entry) => [idText(entry), entry.fields]);
}

/** XADD's id, which may leave all of it, or its number, to Redis. */
function newId(text: string, last: StreamId, nowMs: number): StreamId {
  if (text === "*")
    return nowMs > last.ms ? { ms: nowMs, seq: 0 } : { ms: last.ms, seq: last.seq + 1 };
  const [, ms] = /^(\d+)-\*$/.exec(text) ?? [];
  if (ms === undefined) {
    const id = parseId(text, 0);
    if (id.ms === 0 && id.seq === 0)
      throw new CommandError("ERR The ID specified in XADD must be greater than 0-0");
    return id;
  }
  const given = Number(ms);
  if (given === last.ms) return { ms: given, seq: last.seq + 1 };
  return { ms: given, seq: given === 0 ? 1 : 0 };
}

/** @returns how many arguments it took */
function parseTrim(args: readonly string[]): { taken: number; trim: (stream: Stream) => number } {
  const kind = need(args, 0).toUpperCase();
  const hasSign = ["=", "~"].includes(need(args, 1));
  const bound = need(args, hasSign ? 2 : 1);
  const taken = hasSign ? 3 : 2;
  if (kind === "MAXLEN") {
    const limit = integer(bound);
    return {
      taken,
      trim: (stream) => {
        const surplus = stream.entries.length - limit;
        return stream.trim((_, index) => index >= surplus);
      },
    };
  }
  const least = parseId(bound, 0);
  return { taken, trim: (stream) => stream.trim((entry) => compareIds(entry, least) >= 0) };
}

function infoOf(stream: Stream): Reply {
  const entryOf = (entry: StreamEntry | undefined): Reply =>
    entry ? [idText(entry), entry.fields] : null;
  const { entries } = stream;
  return new FlatMap([
    "length",
    entries.length,
    "radix-tree-keys",
    entries.length === 0 ? 0 : 1,
    "radix-tree-nodes",
    entries.length === 0 ? 1 : 2,
    "last-generated-id",
    idText(stream.last),
    "max-deleted-entry-id",
    idText(stream.maxDeleted),
    "entries-added",
    stream.added,
    "recorded-first-entry-id",
    idText(entries[0] ?? FIRST),
    "groups",
    0,
    "first-entry",
    entryOf(entries[0]),
    "last-entry",
    entryOf(entries.at(-1)),
  ]);
}

export const STREAMS: Readonly<Record<string, Command>> = {
  XADD: grows((args, { database, now }) => {
    const key = need(args, 0);
    let at = 1;
    let mayMake = true;
    let trim: (stream: Stream) => number = () => 0;
    for (;;) {
      const word = need(args, at).toUpperCase();
      if (word === "NOMKSTREAM") mayMake = false;
      else if (word === "MAXLEN" || word === "MINID") {
        const limit = parseTrim(args.slice(at));
        ({ trim } = limit);
        at += limit.taken - 1;
      } else break;
      at++;
    }
    const fields = args.slice(at + 1);
    if (fields.length === 0 || fields.length % 2 > 0)
      throw new CommandError("ERR wrong number of arguments for 'xadd' command");
    // Whether it is an id at all is asked before the key is looked at.
    newId(need(args, at), FIRST, Math.floor(now));
    const found = database.get(key, "stream");
    if (!found && !mayMake) return null;
    const id = newId(need(args, at), found?.stream.last ?? FIRST, Math.floor(now));
    if (compareIds(id, found?.stream.last ?? FIRST) <= 0) throw new CommandError(TOO_SMALL);
    const { stream } = found ?? database.make(key, "stream");
    stream.add(id, fields);
    trim(stream);
    return idText(id);
  }),
  XDEL: writes(([key = "", ...ids], { database }) => {
    const stream = database.get(key, "stream")?.stream;
    if (!stream) return 0;
    let gone = 0;
    for (const id of ids.map((text) => parseId(text, 0))) gone += stream.delete(id);
    return gone;
  }),
  XTRIM: writes(([key = "", ...args], { database }) => {
    const { trim } = parseTrim(args);
    const found = database.get(key, "stream");
    return found ? trim(found.stream) : 0;
  }),
  XLEN: reads(
    ([key = ""], { database }) => database.get(key, "stream")?.stream.entries.length ?? 0,
  ),
  XRANGE: reads(([key = "", from = "", to = "", ...options], { database }) => {
    const [low, high] = [parseBound(from, 0), parseBound(to, Infinity)];
    return told(entriesIn(database.get(key, "stream")?.stream, low, high), options);
  }),
  XREVRANGE: reads(([key = "", to = "", from = "", ...options], { database }) => {
    const [low, high] = [parseBound(from, 0), parseBound(to, Infinity)];
    return told(entriesIn(database.get(key, "stream")?.stream, low, high).reverse(), options);
  }),
  XINFO: reads(([what = "", key = ""], { database }) => {
    if (what.toUpperCase() !== "STREAM") throw new CommandError("ERR unknown subcommand");
    const found = database.get(key, "stream");
    if (!found) throw new CommandError("ERR no such key");
    return infoOf(found.stream);
  }),
};
