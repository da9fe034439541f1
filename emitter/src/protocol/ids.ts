declare const brand: unique symbol;

/** The name of one lecture: 1 to 64 characters of `A-Z a-z 0-9 _ -` (PROTOCOL.md, section 1). */
export type SessionId = string & { readonly [brand]: "SessionId" };

/** Who a connection is in its session. */
export type Role = "teacher" | "student";

/** Both roles, in the order of the contract's tables. */
export const ROLES = ["teacher", "student"] as const satisfies readonly Role[];

/**
 * The place of an event in its room's history: `<epoch>-<n>`.
 *
 * `n` counts up by one from 1 within an epoch, so a hole in `n` is a missed event and a new epoch is a lost history.
 * `<epoch>-0` is the place before the first event. It is also the id of the event's entry in the Redis stream.
 */
export type Offset = string & { readonly [brand]: "Offset" };

/** An {@link Offset}, taken apart. */
export interface Position {
  /** Milliseconds since 1970 at which this history began. Only its identity counts. */
  readonly epoch: number;
  /** How many events the history had taken up to here, this one included. */
  readonly n: number;
}

/** What a session id looks like. */
export const SESSION_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
/** What an offset looks like: 16 digits hold every safe integer; longer ones are made up. */
export const OFFSET_PATTERN = /^(\d{1,16})-(\d{1,16})$/;

/** The session id in `value`, or `undefined` where it is not one. */
export function parseSessionId(value: unknown): SessionId | undefined {
  return typeof value === "string" && SESSION_ID_PATTERN.test(value)
    ? (value as SessionId)
    : undefined;
}

/** The role in `value`, or `undefined` where it is not one. */
export function parseRole(value: unknown): Role | undefined {
  return value === "teacher" || value === "student" ? value : undefined;
}

/** The position that `value` names, or `undefined` where it is not an offset. */
export function parseOffset(value: unknown): Position | undefined {
  const match = typeof value === "string" ? OFFSET_PATTERN.exec(value) : null;
  if (!match) return undefined;
  const epoch = Number(match[1]);
  const n = Number(match[2]);
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(n) ? { epoch, n } : undefined;
}

/** The offset of a position. */
export function formatOffset({ epoch, n }: Position): Offset {
  return `${String(epoch)}-${String(n)}` as Offset;
}
