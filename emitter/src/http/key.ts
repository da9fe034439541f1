import { EmitterError } from "../errors.js";

/** A publish key or a publisher's token, or what gives the one that is good now: a token runs out. */
export type Key = string | (() => string | Promise<string>);

/** @throws EmitterError `invalid_option` for what can be no key. It is never repeated: it may be one, with too much. */
export function checkKey(key: unknown): asserts key is Key | undefined {
  if (key === undefined || typeof key === "function") return;
  if (typeof key === "string" && /^[\x21-\x7e]+$/.test(key)) return;
  throw new EmitterError(
    "invalid_option",
    "key must be a text of visible ASCII characters, without a blank or the end of a line, or a function that gives one",
  );
}

/**
 * The key for one attempt.
 *
 * @param signal - aborts when nobody waits for it any more
 * @throws EmitterError `unavailable`, retryable, where the function fails; `invalid_option` where what it gives is no key
 */
export async function currentKey(
  key: Key | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (typeof key !== "function") return key;
  let given: unknown;
  try {
    given = await untilAborted(signal, async () => key());
  } catch (cause) {
    throw new EmitterError("unavailable", "the function that gives the key failed", { cause });
  }
  if (typeof given !== "string") {
    throw new EmitterError("invalid_option", "the function that gives the key gave no text");
  }
  checkKey(given);
  return given;
}

/** What it comes to after the signal is nobody's business. */
export async function untilAborted<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([task(), aborted]);
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
  }
}
