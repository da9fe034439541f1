import { writeSync } from "node:fs";
import type { Socket } from "node:net";

/** Private in Node.js's types, as is what TLS adds to it. Pinned by the tests of this file. */
interface SocketSeam {
  readonly _handle?: { readonly fd?: number } | null;
  readonly encrypted?: boolean;
}

/**
 * Writes to a socket, past its stream where nothing waits there: one system call, without the request, the tick and the
 * bookkeeping that a stream makes of each write. The kernel takes all, a part, or nothing; the rest goes the ordinary
 * way, and so does everything behind it. Errors are left to the stream, which meets them as well.
 *
 * @param socket - writable: whoever calls has asked
 */
export function writeNow(socket: Socket, bytes: Buffer): void {
  const sent = canSkipStream(socket) ? sendNow(socket as unknown as SocketSeam, bytes) : 0;
  if (sent < bytes.length) socket.write(sent === 0 ? bytes : bytes.subarray(sent));
}

/** Whether the kernel has all that was written, and may have more. */
function canSkipStream(socket: Socket): boolean {
  return socket.writableLength === 0 && socket.writableCorked === 0;
}

/** @returns how many bytes the kernel took, which never waits: libuv opens sockets as non-blocking ones */
function sendNow({ _handle, encrypted }: SocketSeam, bytes: Buffer): number {
  const fd = _handle?.fd ?? -1;
  // Below TLS it would be plain text. Windows has no descriptors for sockets.
  if (fd < 0 || encrypted === true) return 0;
  try {
    return writeSync(fd, bytes, 0, bytes.length, null);
  } catch {
    return 0;
  }
}
