import { parseRole, parseSessionId, type Role, type SessionId } from "./ids.js";

declare const brand: unique symbol;

/** The name of a role room: `session_<session_id>_<role>`. Wire contract, as are all names of this file. */
export type RoomName = string & { readonly [brand]: "RoomName" };

/** The room of every connection of `role` in `sessionId`, on every replica. */
export function roomName(sessionId: SessionId, role: Role): RoomName {
  return `session_${sessionId}_${role}` as RoomName;
}

/** The session and role that a role room is for, or `undefined` where `name` is not one. */
export function parseRoomName(name: string): { sessionId: SessionId; role: Role } | undefined {
  const cut = name.lastIndexOf("_");
  if (!name.startsWith("session_") || cut < "session_".length) return undefined;
  const sessionId = parseSessionId(name.slice("session_".length, cut));
  const role = parseRole(name.slice(cut + 1));
  return sessionId && role ? { sessionId, role } : undefined;
}

/** The Redis channel of Socket.IO's adapter for the whole namespace `/`; every room's channel begins with it. */
export const NAMESPACE_CHANNEL = "socket.io#/#";

/** The Redis channel on which Socket.IO's adapter and emitter carry the packets of one room. */
export function roomChannel(room: string): string {
  return `${NAMESPACE_CHANNEL}${room}#`;
}

/** The Redis stream of a room's history. The hash tag puts it in the slot of its channel. */
export function historyKey(room: RoomName): string {
  return `history:{${roomChannel(room)}}`;
}

/** The Redis sorted set of a room's newest idempotency keys, of those that callers gave. */
export function idempotencyKeysKey(room: RoomName): string {
  return `inthon:once:{${roomChannel(room)}}`;
}

/** The Redis string that logs a room's newest idempotency keys, of those that publishers made up. */
export function newKeysKey(room: RoomName): string {
  return `inthon:new:{${roomChannel(room)}}`;
}

/** The Redis string that was the log of {@link newKeysKey} until it grew too long. */
export function olderKeysKey(room: RoomName): string {
  return `inthon:older:{${roomChannel(room)}}`;
}

/** The Redis sorted set of a room's newest long events, by how much of the history's bytes they take. */
export function longEventsKey(room: RoomName): string {
  return `inthon:heavy:{${roomChannel(room)}}`;
}

/** The Redis string that tells the epochs of a room's history apart. */
export function epochsKey(room: RoomName): string {
  return `inthon:epochs:{${roomChannel(room)}}`;
}

/** The Redis key with the newest version of a session's presence that its student room has been told. */
export function announcedKey(room: RoomName): string {
  return `inthon:announced:{${roomChannel(room)}}`;
}

/** The Redis SET with one member for each live teacher connection of a session. */
export function teachersKey(sessionId: SessionId): string {
  return `session:${sessionId}:teachers`;
}
