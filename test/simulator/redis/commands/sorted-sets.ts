import { CommandError, type Database } from "../database.js";
import { Double, type Reply } from "../replies.js";
import {
  compareBytes,
  float,
  grows,
  integer,
  need,
  reads,
  writes,
  type Command,
} from "./command.js";

type Scored = readonly [member: string, score: number];

function sorted(database: Database, key: string): Scored[] {
  const scores = database.get(key, "zset")?.scores ?? new Map<string, number>();
  return [...scores].sort((one, other) => one[1] - other[1] || compareBytes(one[0], other[0]));
}

/** A bound of scores: `5`, `(5`, `-inf`. */
function isAbove(text: string): (score: number) => boolean {
  const bound = scoreOf(text);
  return text.startsWith("(") ? (score) => score > bound : (score) => score >= bound;
}

function isBelow(text: string): (score: number) => boolean {
  const bound = scoreOf(text);
  return text.startsWith("(") ? (score) => score < bound : (score) => score <= bound;
}

function scoreOf(text: string): number {
  try {
    return float(text.startsWith("(") ? text.slice(1) : text);
  } catch {
    throw new CommandError("ERR min or max is not a float");
  }
}

function told(found: readonly Scored[], withScores: boolean): Reply {
  return withScores
    ? found.flatMap(([member, score]) => [member, new Double(score)])
    : found.map(([member]) => member);
}

function between(length: number, from: number, to: number): readonly [number, number] {
  const at = (index: number) => (index < 0 ? index + length : index);
  return [Math.max(0, at(from)), Math.max(0, Math.min(length, at(to) + 1))];
}

function scores(database: Database, key: string, members: readonly string[]): Reply[] {
  const known = database.get(key, "zset")?.scores;
  return members.map((member) => {
    const score = known?.get(member);
    return score === undefined ? null : new Double(score);
  });
}

function remove(database: Database, key: string, members: readonly string[]): number {
  const known = database.get(key, "zset")?.scores;
  if (!known) return 0;
  const removed = members.filter((member) => known.delete(member)).length;
  database.dropIfEmpty(key, known.size);
  return removed;
}

export const SORTED_SETS: Readonly<Record<string, Command>> = {
  ZADD: grows(([key = "", ...pairs], { database }) => {
    if (pairs.length === 0 || pairs.length % 2 > 0) throw new CommandError("ERR syntax error");
    const values: Scored[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      values.push([need(pairs, i + 1), float(need(pairs, i))]);
    }
    const known = database.make(key, "zset").scores;
    const before = known.size;
    for (const [member, score] of values) known.set(member, score);
    return known.size - before;
  }),
  ZREM: writes(([key = "", ...members], { database }) => remove(database, key, members)),
  ZCARD: reads(([key = ""], { database }) => database.get(key, "zset")?.scores.size ?? 0),
  ZSCORE: reads(([key = "", member = ""], { database }) => {
    return scores(database, key, [member])[0] ?? null;
  }),
  ZMSCORE: reads(([key = "", ...members], { database }) => scores(database, key, members)),
  ZRANGE: reads(([key = "", from = "", to = "", ...options], { database }) => {
    const words = options.map((option) => option.toUpperCase());
    const all = sorted(database, key);
    if (words.includes("REV")) all.reverse();
    const found = all.slice(...between(all.length, integer(from), integer(to)));
    return told(found, words.includes("WITHSCORES"));
  }),
  ZRANGEBYSCORE: reads(([key = "", min = "", max = "", ...options], { database }) => {
    const [above, below] = [isAbove(min), isBelow(max)];
    const words = options.map((option) => option.toUpperCase());
    const limit = words.indexOf("LIMIT");
    let found = sorted(database, key).filter(([, score]) => above(score) && below(score));
    if (limit >= 0) {
      const [skipped, count] = [integer(need(words, limit + 1)), integer(need(words, limit + 2))];
      found = skipped < 0 ? [] : found.slice(skipped, count < 0 ? undefined : skipped + count);
    }
    return told(found, words.includes("WITHSCORES"));
  }),
  ZREMRANGEBYRANK: writes(([key = "", from = "", to = ""], { database }) => {
    const all = sorted(database, key);
    const gone = all.slice(...between(all.length, integer(from), integer(to)));
    return remove(
      database,
      key,
      gone.map(([member]) => member),
    );
  }),
  ZREMRANGEBYSCORE: writes(([key = "", min = "", max = ""], { database }) => {
    const [above, below] = [isAbove(min), isBelow(max)];
    const gone = sorted(database, key).filter(([, score]) => above(score) && below(score));
    return remove(
      database,
      key,
      gone.map(([member]) => member),
    );
  }),
};
