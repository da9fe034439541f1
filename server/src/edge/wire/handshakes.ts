import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import { HttpProblem } from "../http/problems.js";
import { refuse } from "../http/last-words.js";

/** Those that `ws` speaks, of which the second is of before the RFC. */
const VERSIONS = ["13", "8"];

/**
 * Has a client that asks for a WebSocket in a way in which there is none (RFC 6455, section 4.2.1) answered as everybody is
 * who is refused: by itself `ws` does that in HTML.
 */
export function refuseBadHandshakes(
  server: WebSocketServer,
  onRefused: (request: IncomingMessage, why: string) => void,
): void {
  server.on("wsClientError", ({ message }: Error, socket: Duplex, request: IncomingMessage) => {
    const problem = problemOf(request, message);
    onRefused(request, problem.message);
    refuse(socket, problem);
  });
}

function problemOf({ method, headers }: IncomingMessage, message: string): HttpProblem {
  if (method !== "GET") {
    const detail = "a WebSocket is asked for by GET";
    return new HttpProblem(405, "method_not_allowed", detail, {
      headers: { allow: "GET, HEAD, OPTIONS" },
    });
  }
  const version = headers["sec-websocket-version"];
  if (headers["sec-websocket-key"] !== undefined && !VERSIONS.includes(version ?? "")) {
    const detail = "this version of WebSockets is not spoken here: send Sec-WebSocket-Version: 13";
    const spoken = { upgrade: "websocket", "sec-websocket-version": VERSIONS.join(", ") };
    return new HttpProblem(426, "upgrade_required", detail, { headers: spoken });
  }
  const detail = `this is no handshake of a WebSocket: ${message}`;
  return new HttpProblem(400, "invalid_request", detail);
}
