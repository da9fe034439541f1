import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { MAX_IDEMPOTENCY_KEYS, MAX_LOG_BYTES } from "../idempotency-keys.js";

/** What is used of a client of the `redis` package; a client, a Sentinel client and a pool all have it. */
export interface RedisCommands {
  eval(script: string, options: ScriptOptions): Promise<unknown>;
  evalSha(sha1: string, options: ScriptOptions): Promise<unknown>;
}

interface ScriptOptions {
  keys: string[];
  arguments: (string | Buffer)[];
}

/** How much of each room's events is kept. */
export interface HistoryLimits {
  /** Newest events kept for each room. */
  readonly historyLimit: number;
  /**
   * How long a room's history outlives its newest event, in milliseconds. Renewed by an append only where a hundredth
   * of it has passed: that much it may be less.
   */
  readonly historyTtlMs: number;
}

/** In src, also when this runs from dist: the compiler does not copy it. */
function lua(name: string): string {
  return readFileSync(new URL(`../../src/redis/lua/${name}.lua`, import.meta.url), "utf8");
}

/** `standing.lua`, for the server's script that reads histories. */
export const STANDING_LUA = lua("standing");
const OFFSETS_LUA = lua("offsets");
const SEEN_LUA = lua("seen");
const PUBLISH_LUA = lua("publish");
const PUBLISH_GUESSED_LUA = lua("publish-guessed");

/** Incarnations of Redis whose form of `publish-guessed.lua` is kept. */
const MAX_INCARNATIONS = 16;

/** Redis does not know the script, and so has done nothing. */
export class UnknownScriptError extends Error {
  override readonly name = "UnknownScriptError";
}

interface Text {
  readonly text: string;
  readonly sha1: string;
}

/** The scripts that publish, with one publisher's limits in front, so that they need not be sent with every call. */
export class PublishScript {
  readonly #redis: RedisCommands;
  readonly #constants: string;
  readonly #publish: Text;
  #isKnown = false;
  /** `publish-guessed.lua` by incarnation of Redis; `undefined` while that is being told the text. */
  readonly #guessed = new Map<string, string | undefined>();

  constructor(redis: RedisCommands, { historyLimit, historyTtlMs }: HistoryLimits) {
    this.#redis = redis;
    this.#constants = `
local PUBLISH = 'PUBLISH'
local HISTORY_LIMIT = '${String(historyLimit)}'
local TTL_MS = '${String(historyTtlMs)}'
local MAX_KEYS = ${String(MAX_IDEMPOTENCY_KEYS)}
local MAX_LOG_BYTES = ${String(MAX_LOG_BYTES)}
`;
    this.#publish = withSha1(this.#constants + STANDING_LUA + OFFSETS_LUA + SEEN_LUA + PUBLISH_LUA);
  }

  /**
   * Runs `publish.lua`. Calls that are made in one turn of the event loop are executed in their order.
   *
   * @throws UnknownScriptError where Redis has forgotten it: the next call brings the text
   */
  async run(options: ScriptOptions): Promise<unknown> {
    if (!this.#isKnown) {
      // The very first call brings the text: those right behind it find it there, and none has to be repeated.
      this.#isKnown = true;
      return this.#redis.eval(this.#publish.text, options);
    }
    try {
      return await this.#redis.evalSha(this.#publish.sha1, options);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      this.#isKnown = false;
      throw new UnknownScriptError();
    }
  }

  /**
   * Whether {@link PublishScript.runGuessed} can be called; if not, Redis is told the text, in the background.
   *
   * @param incarnation - of Redis, as `publish.lua` answered it
   * @param keys - of the room that asks: they lead to its node of Redis
   */
  canGuess(incarnation: string, keys: readonly string[]): boolean {
    if (this.#guessed.has(incarnation)) return this.#guessed.get(incarnation) !== undefined;
    if (incarnation !== "") void this.#tell(incarnation, [...keys]);
    return false;
  }

  /**
   * Runs `publish-guessed.lua` in the incarnation of Redis that a guess is for, and in no other.
   *
   * @throws UnknownScriptError where it is another one, or has forgotten the script
   */
  async runGuessed(incarnation: string, options: ScriptOptions): Promise<unknown> {
    const sha1 = this.#guessed.get(incarnation);
    if (sha1 === undefined) throw new UnknownScriptError();
    try {
      return await this.#redis.evalSha(sha1, options);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      this.#guessed.delete(incarnation);
      throw new UnknownScriptError();
    }
  }

  async #tell(incarnation: string, keys: string[]): Promise<void> {
    const { text, sha1 } = withSha1(`-- ${incarnation}
${this.#constants}
if #ARGV == 0 then
${STANDING_LUA}
return incarnationOfRedis()
end
${OFFSETS_LUA}${SEEN_LUA}${PUBLISH_GUESSED_LUA}`);
    this.#guessed.set(incarnation, undefined);
    if (this.#guessed.size > MAX_INCARNATIONS) {
      for (const oldest of this.#guessed.keys()) {
        this.#guessed.delete(oldest);
        break;
      }
    }
    try {
      const here = await this.#redis.eval(text, { keys, arguments: [] });
      // Else it has come to another one meanwhile, which must not be believed to be this one.
      if (here === incarnation) this.#guessed.set(incarnation, sha1);
      else this.#guessed.delete(incarnation);
    } catch {
      // Whoever publishes next asks again.
      this.#guessed.delete(incarnation);
    }
  }
}

function withSha1(text: string): Text {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}
