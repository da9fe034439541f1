import { writeSync } from "node:fs";
import type { Socket } from "node:net";

/** Private in Node.js's types, as is what TLS adds to it. Pinned by the tests of this file. */
interface SocketSeam {
  readonly _handle?: { readonly fd?: number } | null;
  readonly encrypted?: boolean;
}

/** Stands for the descriptor of a socket that is written to by its stream alone. */
const NONE = -1;

/**
 * What {@link writeNow} needs to know of a socket. To be asked once for a connection, not for each write: Node.js looks
 * it up in native code, and in memory that nothing else touches, which is a fifth of what a delivery costs.
 *
 * @returns its file descriptor, which it keeps as long as it is open, or -1
 */
export function descriptorOf(socket: Socket): number {
  const { _handle, encrypted } = socket as unknown as SocketSeam;
  // Below TLS it would be plain text. Windows has no descriptors for sockets.
  return encrypted === true ? NONE : (_handle?.fd ?? NONE);
}

/**
 * Writes to a socket, past its stream where nothing waits there: one system call, without the request, the tick and the
 * bookkeeping that a stream makes of each write. The kernel takes all, a part, or nothing; the rest goes the ordinary
 * way, and so does everything behind it. Errors are left to the stream, which meets them as well.
 *
 * @param descriptor - as {@link descriptorOf} gave it
 */
export function writeNow(socket: Socket, descriptor: number, bytes: Buffer): void {
  const sent = canSkipStream(socket, descriptor) ? sendNow(descriptor, bytes) : 0;
  if (sent < bytes.length) socket.write(sent === 0 ? bytes : bytes.subarray(sent));
}

/** Whether the kernel has all that was written, and may have more. */
function canSkipStream(socket: Socket, descriptor: number): boolean {
  return (
    // Of a socket that has ended it may be another connection's by now.
    socket.writable && socket.writableLength === 0 && socket.writableCorked === 0 && descriptor >= 0
  );
}

/** @returns how many bytes the kernel took, which never waits: libuv opens sockets as non-blocking ones */
function sendNow(descriptor: number, bytes: Buffer): number {
  try {
    return writeSync(descriptor, bytes, 0, bytes.length, null);
  } catch {
    return 0;
  }
}
