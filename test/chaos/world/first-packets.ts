import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Role } from "@inthon/emitter/protocol";
import { HANDSHAKES } from "../../helpers/clients/raw-http.js";
import type { Random } from "../random.js";
import type { Target } from "./line.js";
import { reset } from "./reset.js";

/** How a client ends in the packet that begins it. */
const ENDINGS = ["a POST that opens and closes", "a broken frame", "a plain close"] as const;

type Ending = (typeof ENDINGS)[number];

const TIMEOUT_MS = 3_000;
const TEACHER_SHARE = 0.7;
/** Frames of a client, whose mask is zero. */
const CONNECT_FRAME = Buffer.from([0x81, 0x82, 0, 0, 0, 0, ...Buffer.from("40")]);
const CLOSE_FRAME = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
/** Without a mask, which no client may send. */
const BROKEN_FRAME = Buffer.from([0x81, 0x01, 0x41]);

/**
 * Has clients come that end in their first packet, each in a session of its own: whatever is left of it, nobody holds.
 *
 * @param session - names the sessions
 */
export async function endInFirstPacket(
  { port }: Target,
  count: number,
  session: (index: number) => string,
  random: Random,
): Promise<void> {
  const clients = Array.from({ length: count }, (_, index) => {
    const role: Role = random.next() < TEACHER_SHARE ? "teacher" : "student";
    const path = `/ws/session/${session(index)}/${role}/`;
    return end(port, path, random.pick(ENDINGS), random.between(0, 5));
  });
  // Where the replica is away there is nobody to come to.
  await Promise.allSettled(clients);
}

async function end(port: number, path: string, ending: Ending, afterMs: number): Promise<void> {
  switch (ending) {
    case "a POST that opens and closes": {
      const url = `http://127.0.0.1:${port}${path}${HANDSHAKES.polling.query}`;
      const init = { signal: AbortSignal.timeout(TIMEOUT_MS), headers: { connection: "close" } };
      const text = await (await fetch(url, init)).text();
      const sid = /"sid":"([^"]+)"/.exec(text)?.[1] ?? "";
      await fetch(`${url}&sid=${sid}`, { ...init, method: "POST", body: "40\u001e1" });
      return;
    }
    case "a broken frame":
      await withUpgrade(port, path, "WebSocket of Engine.IO", async (socket) => {
        socket.write(Buffer.concat([CONNECT_FRAME, BROKEN_FRAME]));
        await once(socket, "close", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      });
      return;
    case "a plain close":
      await withUpgrade(port, path, "plain WebSocket", async (socket) => {
        await delay(afterMs);
        socket.end(CLOSE_FRAME);
        await once(socket, "close", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      });
  }
}

async function withUpgrade(
  port: number,
  path: string,
  protocol: "WebSocket of Engine.IO" | "plain WebSocket",
  use: (socket: Socket) => Promise<void>,
): Promise<void> {
  const { query, headers } = HANDSHAKES[protocol];
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const lines = [`GET ${path}${query} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    await once(socket, "data", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    socket.resume();
    await use(socket);
  } finally {
    reset(socket);
  }
}
