import { createHash } from "node:crypto";
import { MAX_IDEMPOTENCY_KEYS, MAX_LOG_BYTES } from "../idempotency-keys.js";
import {
  LATE_LUA,
  MAY_PUBLISH_LUA,
  OFFSETS_LUA,
  PUBLISH_GUESSED_LUA,
  PUBLISH_LUA,
  SEEN_LUA,
  STANDING_LUA,
  WEIGH_LUA,
} from "./lua/texts.js";
import { UndoneError } from "./redis-errors.js";

/** What is used of a client of the `redis` package; a client, a Sentinel client and a pool all have it. */
export interface RedisCommands {
  eval(script: string, options: ScriptOptions): Promise<unknown>;
  evalSha(sha1: string, options: ScriptOptions): Promise<unknown>;
  /** That on which it would ask now, where it knows: another object after each time that it was lost. */
  presentConnection?(): object;
}

/** What publishes on a room's channel. By the second, only its own Redis hears of it, and so does who subscribes there. */
export type PublishVerb = "PUBLISH" | "SPUBLISH";

interface ScriptOptions {
  keys: string[];
  arguments: (string | Buffer)[];
}

/** How much of each room's events is kept. */
export interface HistoryLimits {
  /** Newest events kept for each room. */
  readonly historyLimit: number;
  /** Bytes of events kept for each room, in their JSON; the newest event is kept in any case. */
  readonly historyMaxBytes: number;
  /**
   * How long a room's history outlives its newest event, in milliseconds. Renewed by an append only where a hundredth
   * of it has passed: that much it may be less. Where there has been none but the server's own: {@link FLEETING_TTL_MS}.
   */
  readonly historyTtlMs: number;
}

/** How much of a log of keys is searched for those of a call that may be late: the keys of a thousand events. */
const MAX_LATE_BYTES = 64 * 1024;

/**
 * How long a history lives, in milliseconds, in which nobody has published anything: it is renewed while somebody is in
 * the room. So a session that was only named leaves nothing, and a client that drops for a moment resumes all the same.
 */
export const FLEETING_TTL_MS = 50_000;

/**
 * How long an event may be so that the number of events alone bounds the bytes of them: a third of what each of them has.
 * Longer ones are weighed, which costs Redis more.
 */
export function lightBytes({ historyLimit, historyMaxBytes }: HistoryLimits): number {
  return Math.floor(historyMaxBytes / historyLimit / 3);
}

interface Script {
  readonly text: string;
  readonly sha1: string;
}

function scriptOf(text: string): Script {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/** A script that Redis is told once on each connection: behind a new one it may be another Redis, or have forgotten it. */
class KnownScript {
  readonly #redis: RedisCommands;
  readonly #script: Script;
  #knownOn: object | undefined;

  constructor(redis: RedisCommands, script: Script) {
    this.#redis = redis;
    this.#script = script;
  }

  async run(options: ScriptOptions): Promise<unknown> {
    const connection = this.#redis.presentConnection?.() ?? this.#redis;
    if (this.#knownOn !== connection) {
      // The very first call brings the text: those right behind it find it there, and none has to be repeated.
      this.#knownOn = connection;
      try {
        return await this.#redis.eval(this.#script.text, options);
      } catch (error) {
        // It may not have come to Redis, or not been read by it.
        this.#forget(connection);
        throw error;
      }
    }
    try {
      return await this.#redis.evalSha(this.#script.sha1, options);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      this.#forget(connection);
      throw new UndoneError("Redis does not know the script", { cause: error });
    }
  }

  #forget(connection: object): void {
    if (this.#knownOn === connection) this.#knownOn = undefined;
  }
}

/** The scripts that publish, with one publisher's limits in front, so that they need not be sent with every call. */
export class PublishScripts {
  /** Events up to this long need not be weighed: `publish-guessed.lua` can take them. */
  readonly lightBytes: number;
  readonly #publish: Script;
  readonly #guessed: Script;

  /** @param verb - what publishes on the room's channel */
  constructor(limits: HistoryLimits, verb: PublishVerb) {
    const { historyLimit, historyTtlMs, historyMaxBytes } = limits;
    this.lightBytes = lightBytes(limits);
    const constants = `
local PUBLISH = '${verb}'
local HISTORY_LIMIT = '${String(historyLimit)}'
local TTL_MS = '${String(historyTtlMs)}'
local FLEETING_TTL_MS = ${String(Math.min(historyTtlMs, FLEETING_TTL_MS))}
local LIGHT_BYTES = ${String(this.lightBytes)}
local MAX_EXCESS = ${String(historyMaxBytes - historyLimit * this.lightBytes)}
local MAX_KEYS = ${String(MAX_IDEMPOTENCY_KEYS)}
local MAX_LOG_BYTES = ${String(MAX_LOG_BYTES)}
local MAX_LATE_BYTES = ${String(MAX_LATE_BYTES)}
`;
    const common = constants + OFFSETS_LUA + SEEN_LUA + LATE_LUA;
    this.#publish = scriptOf(common + STANDING_LUA + WEIGH_LUA + MAY_PUBLISH_LUA + PUBLISH_LUA);
    this.#guessed = scriptOf(common + PUBLISH_GUESSED_LUA);
  }

  /** As one Redis is told them. */
  on(redis: RedisCommands): PublishScript {
    const publish = new KnownScript(redis, this.#publish);
    const guessed = new KnownScript(redis, this.#guessed);
    return new PublishScript(publish, guessed, this.lightBytes);
  }
}

/** The scripts that publish, on one Redis. */
export class PublishScript {
  readonly #publish: KnownScript;
  readonly #guessed: KnownScript;
  /** As {@link PublishScripts.lightBytes}. */
  readonly lightBytes: number;

  /** @internal Use {@link PublishScripts.on}. */
  constructor(publish: KnownScript, guessed: KnownScript, lightBytes: number) {
    this.#publish = publish;
    this.#guessed = guessed;
    this.lightBytes = lightBytes;
  }

  /**
   * Runs `publish.lua`. Calls that are made in one turn of the event loop are executed in their order.
   *
   * @throws UndoneError where Redis has forgotten it: the next call brings the text
   */
  run(options: ScriptOptions): Promise<unknown> {
    return this.#publish.run(options);
  }

  /**
   * Runs `publish-guessed.lua`.
   *
   * @throws UndoneError where Redis has forgotten it: the next call brings the text
   */
  runGuessed(options: ScriptOptions): Promise<unknown> {
    return this.#guessed.run(options);
  }
}
