import { loadScript, runScript } from "../scripts/script.js";
import type { Runner } from "../shards/shards.js";

/** Longer than any name of a node, a teacher in a set, or an entry of a node's list, in bytes. */
const MAX_NAME_BYTES = 256;
/** In front of every script that reads names. */
export const NAMES_LUA = `local MAX_NAME_BYTES = ${String(MAX_NAME_BYTES)}\n`;

const NAMES = loadScript("names.lua", NAMES_LUA);
const HELD = loadScript("held.lua", NAMES_LUA);
/** About as many entries are read at once. */
const PIECE = 1_000;

/** The texts of a reply, and how many others it tells of. */
export interface Texts {
  readonly texts: readonly string[];
  readonly bad: number;
}

/** The names in a sorted set, of those with the highest scores, `most` at most. Rejects as Redis does. */
export async function readNames(runner: Runner, key: string, most: number): Promise<Texts> {
  return toTexts(await runScript(runner, NAMES, [key], [String(most)]));
}

/** All of a set, piece by piece: an entry may come twice. Rejects as Redis does. */
export async function* readPieces(runner: Runner, key: string): AsyncGenerator<Texts> {
  let cursor = "0";
  do {
    const reply = await runScript(runner, HELD, [key], [cursor, String(PIECE)]);
    const [next, ...rest] = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
    cursor = typeof next === "string" ? next : "0";
    yield toTexts(rest);
  } while (cursor !== "0");
}

/** Of a reply that has in front of its texts how many were left out. */
export function toTexts(reply: unknown): Texts {
  const [bad, ...texts] = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
  return { bad: Number(bad ?? 0), texts: texts.filter((text) => typeof text === "string") };
}
