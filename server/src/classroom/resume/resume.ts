import { parseOffset, type Position } from "@inthon/emitter/protocol";
import type { Room } from "../../cluster/room.js";
import type { Identity } from "../address.js";

/**
 * The id under which a Socket.IO client comes back: session, role and its first socket's id. It is a hint, never an
 * authority: the URL decides who may hear what.
 */
export function makePid({ sessionId, role }: Identity, socketId: string): string {
  return `${sessionId}.${role}.${socketId}`;
}

/** A socket of Socket.IO, as far as resuming needs it. */
interface ResumingSocket {
  readonly handshake: {
    readonly auth: Readonly<Record<string, unknown>>;
    readonly query: Readonly<Record<string, unknown>>;
  };
}

// Private in socket.io's types, and sent to the client with its CONNECT packet. Pinned by the tests of resuming.
interface PidSeam {
  pid: string;
}

/** Sets the `pid` that the client will be told. Only before it is connected. */
export function setPid(socket: object, pid: string): void {
  (socket as PidSeam).pid = pid;
}

/**
 * What a client says of its last connection. A Socket.IO client gives `pid` and offset; a `pid` that was made for
 * another session or role is as good as none. A plain client gives the offset in its URL.
 */
export function resumeRequest(
  { handshake: { auth, query } }: ResumingSocket,
  { sessionId, role }: Identity,
): { pid: string | undefined; offset: unknown } {
  if (query["EIO"] === undefined) return { pid: undefined, offset: query["offset"] };
  const pid = auth["pid"];
  const fits = typeof pid === "string" && pid.startsWith(`${sessionId}.${role}.`);
  return fits ? { pid, offset: auth["offset"] } : { pid: undefined, offset: undefined };
}

/**
 * Where a new connection begins, decided before it is admitted: anew, though it may have asked for more, or where it
 * stopped.
 */
export type Start =
  | { readonly kind: "fresh"; readonly hasAsked: boolean }
  | { readonly kind: "resume"; readonly from: Position };

/**
 * Decides whether a client can go on where it stopped, and has the room ready to send what it missed.
 *
 * @param offset - what the client says it has seen
 */
export async function prepareStart(room: Room, offset: unknown): Promise<Start> {
  const from = parseOffset(offset);
  // An empty one asks to be told offsets, and for nothing that was before.
  const hasAsked = offset !== undefined && offset !== "";
  if (!from || !(await room.reachBackTo(from))) return { kind: "fresh", hasAsked };
  return { kind: "resume", from };
}

/** Where a new connection stands, or `undefined` where what it missed is gone meanwhile. */
export function startingPlace(room: Room, start: Start): Position | undefined {
  if (start.kind === "fresh") return room.position;
  return room.eventsSince(start.from, 0) && start.from;
}
