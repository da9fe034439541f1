import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Pace } from "../intake/pace.js";
import type { HttpProblem } from "./problems.js";

/** What a client that is refused has to read why, and to close its connection. */
const LAST_WORDS_MS = 1_000;
/** What it may send meanwhile: enough for its goodbye. */
const MAX_IGNORED_BYTES = 16 * 1024;

/** A whole answer in HTTP/1.1, the last one on its connection. */
export function lastAnswer({ problem, headers, body, contentType }: HttpProblem): string {
  const head = [
    `HTTP/1.1 ${String(problem.status)} ${problem.title}`,
    ...Object.entries({ ...headers, connection: "close" }).map(([k, v]) => `${k}: ${v}`),
    `Content-Type: ${contentType}`,
    `Content-Length: ${String(Buffer.byteLength(body))}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/** Answers on a connection that is no longer Node's HTTP server's, and ends it, whatever its client does. */
export function refuse(socket: Duplex, problem: HttpProblem): void {
  socket.end(lastAnswer(problem));
  destroySoon(socket);
  // Only who reads notices that the client has closed it; but nobody has to read all that it sends.
  let ignored = 0;
  socket.on("data", (chunk: Buffer) => {
    ignored += chunk.length;
    if (ignored > MAX_IGNORED_BYTES) socket.pause();
  });
}

/**
 * The same in its turn. Nothing is kept of what its client sends until then, as thousands may wait; and who has gone
 * meanwhile is let go of at once.
 */
export function refuseInTurn(refusing: Pace, socket: Duplex, problem: HttpProblem): void {
  const { push } = socket as { readonly push: (this: Duplex, chunk: Buffer | null) => boolean };
  let ignored = 0;
  socket.push = (chunk: Buffer | null) => {
    // Node.js stops reading where this is false, and would not notice its end any more.
    if (chunk !== null) return (ignored += chunk.length) <= MAX_IGNORED_BYTES;
    socket.destroy();
    return false;
  };
  refusing.pass(socket, () => {
    socket.push = push;
    refuse(socket, problem);
  });
}

/**
 * Ends a connection of Node's HTTP server whose client goes on sending a request that has been answered. Nothing of it is
 * read; but closing it at once would take the answer from the client, as TCP resets what has not been read.
 */
export function endUnread(socket: Socket): void {
  socket.end();
  destroySoon(socket);
  // Node.js would do it as soon as the answer has been handed to the kernel.
  socket.destroySoon = ignore;
  // In the next tick Node.js starts to read what is left, to throw it away: megabytes of a flood, before this turn is over.
  process.nextTick(() => {
    process.nextTick(() => {
      socket.pause();
    });
  });
}

function destroySoon(socket: Duplex): void {
  const giveUp = setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref();
  socket.once("close", () => {
    clearTimeout(giveUp);
  });
}

function ignore(): void {
  // Nothing to do.
}
