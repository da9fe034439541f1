import { setTimeout as delay } from "node:timers/promises";
import { EmitterError } from "../../errors.js";
import type { RedisCommands } from "../publish-script.js";
import { ioredisCommands, isIoredis, type IoredisClient } from "./ioredis.js";

/** What is used of somebody's client, where it has it: each of the `redis` package's has some of it. */
interface GivenClient extends RedisCommands {
  readonly isOpen?: boolean;
  readonly isReady?: boolean;
  readonly options?: { readonly database?: unknown; readonly legacyMode?: unknown } | undefined;
  readonly isPubSubActive?: boolean;
  /** `sendCommand` takes other arguments in a Sentinel client. */
  clientInfo?(): Promise<{ readonly db: number }>;
  /** The same client, as which answers come in other types. */
  withTypeMapping?(mapping: object): RedisCommands;
}

const WHAT_CAN_BE =
  "a URL, or a connected client, pool, Sentinel or cluster client of the redis package, or a client of ioredis";
const NO_CLIENT = "the target is no client that publishes";
const OTHER_DATABASE =
  "the client works on a database number other than 0: Pub/Sub has none, so two databases of one Redis would hear each other. Use another Redis to keep things apart";

/** Somebody's client, as an emitter uses it. */
export interface GivenRedis {
  readonly commands: RedisCommands;
  /** Whether it may send a call once more by itself, where a connection breaks before it is answered. */
  readonly mayRepeat: boolean;
}

/**
 * The client that somebody gave: one that cannot work is refused now, and not by the first event.
 *
 * @param timeoutMs - how long it may be asked which database it works on
 * @throws EmitterError `invalid_option`, with what to do
 */
export async function checkGiven(target: unknown, timeoutMs: number): Promise<GivenRedis> {
  try {
    return await check(target, timeoutMs);
  } catch (cause) {
    if (cause instanceof EmitterError) throw cause;
    // A getter of it has thrown, or what it calls its own is something else.
    throw refused(`${NO_CLIENT}: give ${WHAT_CAN_BE}`, cause);
  }
}

async function check(target: unknown, timeoutMs: number): Promise<GivenRedis> {
  if (typeof target !== "object" || target === null) {
    const what = target === undefined ? "is undefined: is a variable not set?" : "is of no use:";
    throw refused(`the target ${what} give ${WHAT_CAN_BE}`);
  }
  if ("then" in target && typeof target.then === "function") {
    throw refused("the target is a promise: await it");
  }
  if (isIoredis(target)) {
    checkIoredis(target);
    return { commands: ioredisCommands(target), mayRepeat: true };
  }
  if (!isGiven(target)) throw refused(noClient(target));
  // A legacy mode takes callbacks, and answers nothing.
  if (target.options?.legacyMode === true) {
    throw refused("the client is in legacy mode: give its property v4, or a URL");
  }
  if (Number(target.options?.database ?? 0) !== 0) throw refused(OTHER_DATABASE);
  if (target.isOpen === false) {
    const message =
      "the client is not connected, or has been closed: await its connect() before, and close it after the emitter";
    throw refused(message);
  }
  if ((await databaseOf(target, timeoutMs)) !== 0) throw refused(OTHER_DATABASE);
  // Whatever types its owner has chosen for answers, numbers are numbers and texts are texts here.
  return { commands: target.withTypeMapping?.({}) ?? target, mayRepeat: false };
}

function isGiven(target: object): target is GivenClient {
  return (
    !isLegacy(target) &&
    !isMulti(target) &&
    "eval" in target &&
    typeof target.eval === "function" &&
    "evalSha" in target &&
    typeof target.evalSha === "function"
  );
}

/** What `legacy()` of the `redis` package makes has the same names, as properties of its own, and takes callbacks. */
function isLegacy(target: object): boolean {
  return Object.hasOwn(target, "evalSha") && "sendCommand" in target && !("isOpen" in target);
}

/** What `multi()` makes has the same names too, and sends nothing before `exec()`. */
function isMulti(target: object): boolean {
  return "exec" in target && "addCommand" in target;
}

function noClient(target: object): string {
  if (isLegacy(target)) {
    return "the client is what legacy() has made: give the client itself, or a URL";
  }
  if (isMulti(target))
    return "the target is what multi() has made: give the client itself, or a URL";
  if ("send_command" in target) {
    return "the client is of an old redis package, which takes callbacks: use redis 4 or newer, or give a URL";
  }
  return `${NO_CLIENT}: give ${WHAT_CAN_BE}`;
}

function checkIoredis(client: IoredisClient): void {
  if (client.isCluster === true) {
    const message =
      "cluster clients of ioredis are not taken: give a URL that begins with redis+cluster:// or rediss+cluster://";
    throw refused(message);
  }
  const { db = 0, keyPrefix = "" } = client.options;
  // What `select` has chosen since.
  const { select = db } = client.condition ?? {};
  if (Number(db) !== 0 || Number(select) !== 0) throw refused(OTHER_DATABASE);
  if (keyPrefix !== "") {
    throw refused("the client puts a prefix before keys: give one without keyPrefix");
  }
  if (client.mode === "subscriber" || client.mode === "monitor") {
    throw refused(`the client is a ${client.mode}: give one of its own, such as its duplicate()`);
  }
  if (client.status === "end") {
    throw refused("the client has been closed: close it after the emitter");
  }
}

/**
 * By what Redis says, where it is connected: a pool's options do not tell. 0 where nobody answers.
 *
 * @throws EmitterError where it says that this client only listens
 */
async function databaseOf(client: GivenClient, timeoutMs: number): Promise<number> {
  if (client.isReady === false || !client.clientInfo) return 0;
  // Clients reject: what throws at once is none.
  const asked = Promise.resolve(client.clientInfo()).then(
    (info): unknown => (info as Partial<typeof info> | undefined)?.db,
    (error: unknown) => error,
  );
  const giveUp = new AbortController();
  const late = delay(timeoutMs, 0, { signal: giveUp.signal }).catch(() => 0);
  const database = await Promise.race([asked, late]);
  giveUp.abort();
  if (typeof database === "number") return database;
  // By the newer protocol who listens may publish, too.
  const isSubscriber =
    client.isPubSubActive === true && String(database).includes(NOT_BY_SUBSCRIBERS);
  if (isSubscriber)
    throw refused("the client is a subscriber: give one of its own, such as its duplicate()");
  return 0;
}

/** How Redis refuses what a subscriber may not do. */
const NOT_BY_SUBSCRIBERS = "allowed in this context";

function refused(message: string, cause?: unknown): EmitterError {
  return new EmitterError("invalid_option", message, { cause });
}
