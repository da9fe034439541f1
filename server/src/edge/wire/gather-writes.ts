import type { Writable } from "node:stream";

const corked = new Set<Writable>();

/** Lets all that is written to a socket until the end of this turn of the event loop go out in one write. */
export function gatherWrites(socket: Writable): void {
  if (corked.has(socket)) return;
  socket.cork();
  if (corked.size === 0) setImmediate(uncorkAll);
  corked.add(socket);
}

function uncorkAll(): void {
  for (const socket of corked) socket.uncork();
  corked.clear();
}
