import { randomBytes } from "node:crypto";

/** Idempotency keys remembered for each room, the newest: more events than any room takes while a call is repeated. */
export const MAX_IDEMPOTENCY_KEYS = 10_000;

/** The keys of one call: an array's later events have an index behind the call's own key. */
const MADE_UP = /^~[\w-]{16}\.[0-9a-z]{1,11}(\t\d{1,4})?$/;

const MAX_KEY_BYTES = 1 + 16 + 1 + 11 + 5;

/** The longest line of one such key in the log of keys (`publish.lua`): key, space, offset, end of line. */
const MAX_LINE_BYTES = MAX_KEY_BYTES + 1 + 33 + 1;

/**
 * Bytes of a log that hold {@link MAX_IDEMPOTENCY_KEYS} keys however long they are; mostly twice as many. Longer ones
 * are put aside, and remembered until the next one is.
 */
export const MAX_LOG_BYTES = MAX_IDEMPOTENCY_KEYS * MAX_LINE_BYTES;

/**
 * Makes up keys for calls that were given none: `~`, 96 random bits of the maker, and a number. Cheaper than a random
 * UUID for each, shorter, and known by their form, also when a caller gives one back.
 */
export class KeyMaker {
  readonly #prefix = `~${randomBytes(12).toString("base64url")}.`;
  #made = 0;

  next(): string {
    return this.#prefix + (this.#made++).toString(36);
  }
}

/**
 * The key of an array's event that is not its first: one that no caller can give, as those have visible characters only.
 */
export function keyOfLater(key: string, index: number): string {
  return `${key}\t${String(index)}`;
}

/** Whether a {@link KeyMaker} may have made it. Redis remembers such keys elsewhere than those that callers choose. */
export function isMadeUp(key: string): boolean {
  return key.startsWith("~") && MADE_UP.test(key);
}
