import type { WebSocketServer } from "ws";

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
