import { isReply } from "@inthon/emitter";

/** Far above any that is made of the time, and far below where numbers lose their last digit: `presence.lua` has it too. */
const MAX_VERSION = 2 ** 52;

/** A version of a session's presence, or `undefined` where there is none, or something that is none. */
export function parseVersion(value: unknown): number | undefined {
  if (typeof value !== "string" || !/^\d{1,16}$/.test(value)) return undefined;
  const version = Number(value);
  return version > 0 && version < MAX_VERSION ? version : undefined;
}

/** A count; 0 where there is none, or something that is none. */
export function parseCount(value: unknown): number {
  return typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : 0;
}

/** What is read of a key, or `otherwise` where somebody has put another kind of value there: it costs nobody else. */
export async function readOr<T>(reading: Promise<T>, otherwise: T, onBad: () => void): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!isReply(error) || !error.message.startsWith("WRONGTYPE")) throw error;
    onBad();
    return otherwise;
  }
}
