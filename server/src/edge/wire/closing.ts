import type { Socket } from "node:net";
import type { WebSocket, WebSocketServer } from "ws";
import { WaitingList } from "../intake/waiting-list.js";

/** What a client has to finish a closing handshake, or to poll once more to be told that its connection is closed. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** A documented option of `ws`, which its types do not know yet. Pinned by the test of connections that end. */
interface ClosingSeam {
  readonly options: { closeTimeout: number };
}

/** Destroys the socket of a WebSocket whose client does not finish the closing handshake. By itself `ws` waits 30 s. */
export function limitClosing(server: WebSocketServer): void {
  (server as unknown as ClosingSeam).options.closeTimeout = CLOSE_TIMEOUT_MS;
}

/** Those that nobody else closes: nobody else waits here, so that there is no timer where all goes well. */
const lingering = new WaitingList((error) => {
  process.emitWarning(error instanceof Error ? error : String(error));
});

/** Ends a WebSocket in any case: its client has the time of a closing handshake, and is cut then. */
export function closeInTime(webSocket: WebSocket, code?: number, why?: string): void {
  cutHalfClosed(webSocket);
  webSocket.close(code, why);
}

/**
 * To be called where a WebSocket is about to be closed by its connection. One whose client has closed its side of the socket
 * without a word is `CLOSING` already, and `ws` neither closes it any more nor sets a time for it: it waits until the
 * client has read all that was written, which it may never do.
 */
export function cutHalfClosed(webSocket: WebSocket): void {
  if (webSocket.readyState !== webSocket.CLOSING) return;
  const cut = () => {
    webSocket.terminate();
    return undefined;
  };
  lingering.add({ waitsUntil: cut, destroy: cut }, performance.now() + CLOSE_TIMEOUT_MS);
}

/** Ends a socket when its peer has read what was written to it, which may take as long as a closing handshake. */
export function endInTime(socket: Socket): void {
  socket.destroySoon();
  if (socket.destroyed || socket.writableLength === 0) return;
  const cut = () => {
    socket.destroy();
    return undefined;
  };
  lingering.add({ waitsUntil: cut, destroy: cut }, performance.now() + CLOSE_TIMEOUT_MS);
}
