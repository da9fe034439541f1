import type { Socket } from "node:net";
import type { Client } from "../../classroom/whom.js";

/** Private in Node.js's types (test/dependencies/private-parts.md). */
interface SocketSeam {
  readonly _writableState: { readonly bufferedRequestCount: number };
}

/** What the memory of a write that waits is taken for, beside its bytes: an answer to a ping has 16 of them. */
export const WRITE_BYTES = 128;

/**
 * So much may wait in a connection's own socket without a closer look: it is what a comparison in the way of each
 * delivery costs nothing for. The least that an operator can allow.
 */
export const FEW_BYTES = 64 * 1024;

/** What waits in a socket for its peer to read, in bytes. */
export function unreadBytes(socket: Socket): number {
  const { _writableState } = socket as unknown as SocketSeam;
  return socket.writableLength + _writableState.bufferedRequestCount * WRITE_BYTES;
}

/** Whether so many bytes more may wait in a connection's own socket. */
export function hasRoomFor(
  socket: Socket,
  bytes: number,
  { maxUnreadBytes }: Pick<UnreadRule, "maxUnreadBytes">,
): boolean {
  if (socket.writableLength <= FEW_BYTES) return true;
  return unreadBytes(socket) + bytes + WRITE_BYTES <= maxUnreadBytes;
}

/** What may be left unread, and whom to tell of those who leave more. */
export interface UnreadRule {
  readonly maxUnreadBytes: number;
  /** Told of each connection that is cut. */
  readonly onSlowReader: (reader: Client) => void;
}
