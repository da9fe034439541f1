import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Runner, Sending } from "../shards/shards.js";

/** A Lua script of this folder. */
export interface Script {
  readonly text: string;
  readonly sha1: string;
}

/**
 * @param name - of a file beside this one's source: the compiler does not copy it to `dist`
 * @param part - Lua that it needs in front of it
 */
export function loadScript(name: string, part = ""): Script {
  const file = new URL(`../../../../src/cluster/redis/scripts/${name}`, import.meta.url);
  const text = part + readFileSync(file, "utf8");
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/**
 * Runs a script, loading it where Redis does not have it.
 *
 * @param keys - in one slot: it runs where the first of them is
 */
export async function runScript(
  runner: Runner,
  script: Script,
  keys: string[],
  args: string[],
  sending?: Sending,
): Promise<unknown> {
  const options = { keys, arguments: args };
  const [key = ""] = keys;
  try {
    return await runner.run(key, (client) => client.evalSha(script.sha1, options), sending);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("NOSCRIPT")) {
      return await runner.run(key, (client) => client.eval(script.text, options), sending);
    }
    throw error;
  }
}
