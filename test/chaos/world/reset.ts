import type { Socket } from "node:net";

/** Ends a connection so that the other side finds it broken. */
export function reset(socket: Socket): void {
  // In the midst of an orderly end libuv refuses a reset, and Node.js 20 then keeps the handle for ever.
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
