import { once } from "node:events";
import { connect } from "node:net";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** How a client knocks: the target of its request, after the path, and its headers. */
export const HANDSHAKES = {
  polling: { query: "?EIO=4&transport=polling", headers: [] },
  "WebSocket of Engine.IO": {
    query: "?EIO=4&transport=websocket",
    headers: upgradeHeaders(),
  },
  "plain WebSocket": { query: "", headers: upgradeHeaders() },
  "event stream": { query: "", headers: ["Accept: text/event-stream"] },
} as const satisfies Record<string, { query: string; headers: readonly string[] }>;

function upgradeHeaders(): readonly string[] {
  return [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${KEY}`,
  ];
}

/**
 * The HTTP status that a GET is answered with, and its head. The path is sent byte for byte: clients for HTTP and
 * WebSockets would tidy it up, or not send it at all.
 */
export async function rawGet(
  url: string,
  path: string,
  headers: readonly string[] = [],
): Promise<{ status: number; head: string }> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, "connect");
    const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...headers];
    if (headers.length === 0) lines.push("Connection: close");
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    let text = "";
    for await (const chunk of socket) {
      text += String(chunk);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const head = text.slice(0, end);
      return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]), head };
    }
    throw new Error(`no answer to ${path}: ${text}`);
  } finally {
    socket.destroy();
  }
}
