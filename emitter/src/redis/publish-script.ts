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

// In src, also when this runs from dist: the compiler does not copy it.
const SOURCE = readFileSync(new URL("../../src/redis/publish.lua", import.meta.url), "utf8");

/** `publish.lua` with one publisher's limits in front, so that they need not be sent with every call. */
export class PublishScript {
  readonly #redis: RedisCommands;
  readonly #text: string;
  readonly #sha1: string;
  #isKnown = false;

  constructor(redis: RedisCommands, { historyLimit, historyTtlMs }: HistoryLimits) {
    this.#redis = redis;
    const constants = `
local PUBLISH = 'PUBLISH'
local HISTORY_LIMIT = '${String(historyLimit)}'
local TTL_MS = '${String(historyTtlMs)}'
local MAX_KEYS = ${String(MAX_IDEMPOTENCY_KEYS)}
local MAX_LOG_BYTES = ${String(MAX_LOG_BYTES)}
`;
    this.#text = constants + SOURCE;
    this.#sha1 = createHash("sha1").update(this.#text).digest("hex");
  }

  /** Runs it; calls that are made in one turn of the event loop are executed in their order. */
  async run(options: ScriptOptions): Promise<unknown> {
    if (!this.#isKnown) {
      // The very first call brings the text: those right behind it find it there, and none has to be repeated.
      this.#isKnown = true;
      return this.#redis.eval(this.#text, options);
    }
    try {
      return await this.#redis.evalSha(this.#sha1, options);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("NOSCRIPT")) {
        return await this.#redis.eval(this.#text, options);
      }
      throw error;
    }
  }
}
