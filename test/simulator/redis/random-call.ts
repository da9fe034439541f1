import type { Random } from "../world/random.js";

/*
 * Calls of the commands that the product uses, on few keys, so that they meet: of right and of wrong kinds. Nothing whose
 * answer depends on the time to the millisecond.
 */

const KEYS = ["k:1", "k:2", "k:3", "k:4", "k:5"] as const;
const WORDS = ["a", "b", "c", "", "10", "-1", "\u0001"] as const;

type Draw = (random: Random) => readonly string[];

const key: Draw = (random) => [random.of(KEYS)];
const word: Draw = (random) => [random.of(WORDS)];
const words: Draw = (random) => Array.from({ length: 1 + random.below(3) }, () => random.of(WORDS));
const index: Draw = (random) => [String(random.below(12) - 6)];
/** Never the same twice: the two clocks may be a millisecond apart, of which GT would tell. */
const milliseconds: Draw = (random) => [String(100_000 + random.below(1_000_000))];
const score: Draw = (random) => [
  random.of(["0", "1", "2.5", "-3", "1e3", "inf", "-inf", "9007199254740991", "x"]),
];
const bound: Draw = (random) => [
  `${random.of(["", "("])}${random.of(["0", "1", "2.5", "-3", "1000", "+inf", "-inf"])}`,
];
const id: Draw = (random) => [
  random.of(["1-1", "1-2", "1-*", "2-*", "2-5", "3-1", "3-*", "1767603600123456-*", "0-0", "bad"]),
];
const range: Draw = (random) => [random.of(["-", "+", "1-1", "(1-1", "(1-2", "2", "(2-0", "3-1"])];
const maybe =
  (probability: number, draw: Draw): Draw =>
  (random) =>
    random.chance(probability) ? draw(random) : [];
const fixed =
  (...all: readonly string[]): Draw =>
  () =>
    all;
const trim: Draw = (random) =>
  random.chance(0.7)
    ? ["MAXLEN", ...(random.chance(0.3) ? ["="] : []), String(1 + random.below(5))]
    : ["MINID", random.of(["1-2", "2-0", "3-0"])];

const COMMANDS: readonly (readonly [name: string, ...parts: readonly Draw[]])[] = [
  ["GET", key],
  ["SET", key, word, maybe(0.3, fixed("PX", "100000")), maybe(0.3, fixed("GET"))],
  ["GETRANGE", key, index, index],
  ["APPEND", key, word],
  ["RENAME", key, key],
  ["EXISTS", key, maybe(0.3, key)],
  ["TYPE", key],
  ["DEL", key, maybe(0.2, key)],
  ["PEXPIRE", key, milliseconds, maybe(0.4, fixed("GT"))],
  ["SADD", key, words],
  ["SREM", key, words],
  ["SCARD", key],
  ["SMEMBERS", key],
  ["SISMEMBER", key, word],
  ["SSCAN", key, fixed("0", "COUNT", "100")],
  ["HSET", key, word, word],
  ["HDEL", key, words],
  ["HLEN", key],
  ["HMGET", key, words],
  ["ZADD", key, score, word, maybe(0.3, (random) => [...score(random), ...word(random)])],
  ["ZREM", key, words],
  ["ZCARD", key],
  ["ZSCORE", key, word],
  ["ZMSCORE", key, words],
  ["ZRANGE", key, index, index, maybe(0.4, fixed("REV")), maybe(0.4, fixed("WITHSCORES"))],
  [
    "ZRANGEBYSCORE",
    key,
    bound,
    bound,
    maybe(0.4, fixed("WITHSCORES")),
    maybe(0.4, (random) => ["LIMIT", ...index(random), ...index(random)]),
  ],
  ["ZREMRANGEBYRANK", key, index, index],
  ["ZREMRANGEBYSCORE", key, bound, bound],
  ["XADD", key, maybe(0.2, fixed("NOMKSTREAM")), maybe(0.5, trim), id, fixed("event"), word],
  ["XDEL", key, id],
  ["XTRIM", key, trim],
  ["XLEN", key],
  ["XRANGE", key, range, range, maybe(0.5, fixed("COUNT", "2"))],
  ["XREVRANGE", key, range, range, maybe(0.5, fixed("COUNT", "1"))],
];

/** A script that does the same, and hands back what it got: as text, so that numbers and tables are seen as Lua has them. */
const IN_SCRIPT = `
local function text(value)
  if type(value) ~= 'table' then return type(value) .. ':' .. tostring(value) end
  if value.err then return 'err:' .. string.match(value.err, '^%S+') end
  if value.ok then return 'ok:' .. value.ok end
  local all = {}
  for i, item in ipairs(value) do all[i] = text(item) end
  return '[' .. table.concat(all, ',') .. ']'
end
return text(redis.pcall(unpack(ARGV)))`;

/** Whose answers have an order of their own. */
const UNORDERED = new Set(["SMEMBERS", "SSCAN"]);

export function randomCall(random: Random): readonly string[] {
  const [name, ...parts] = random.of(COMMANDS);
  const call = [name, ...parts.flatMap((part) => part(random))];
  const isAlone = UNORDERED.has(name) || random.chance(0.5);
  return isAlone ? call : ["EVAL", IN_SCRIPT, "0", ...call];
}
