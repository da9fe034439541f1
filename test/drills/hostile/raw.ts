import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Where the replica is. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

const OPCODES = { text: 0x1, ping: 0x9, pong: 0xa } as const;

/** A client's frame under a mask of zeros (RFC 6455, section 5.2), of less than 2^32 bytes. */
export function frame(kind: keyof typeof OPCODES, payload: string): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10);
  head[0] = 0x80 | OPCODES[kind];
  head[1] = 0x80 | (head.length === 2 ? body.length : head.length === 4 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(body.length, 2);
  if (head.length === 10) head.writeUInt32BE(body.length, 6);
  return Buffer.concat([head, Buffer.alloc(4), body]);
}

/** A bare connection, or `undefined` where the replica refuses it. */
export async function open({ host, port }: Target): Promise<Socket | undefined> {
  const socket = connect(port, host);
  socket.on("error", () => undefined);
  await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => undefined);
  return socket.destroyed ? undefined : socket;
}

/** A connection that has become a WebSocket, as far as the client is concerned. */
export async function upgrade(target: Target, path: string): Promise<Socket | undefined> {
  const socket = await open(target);
  if (!socket) return undefined;
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${target.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  await Promise.race([once(socket, "data"), once(socket, "close")]).catch(() => undefined);
  return socket.destroyed ? undefined : socket;
}

/** Writes as quickly as the other side reads, until the connection ends. */
export async function flood(socket: Socket, bytes: Buffer): Promise<void> {
  while (!socket.destroyed) {
    const isTaken = socket.write(bytes);
    if (!isTaken)
      await Promise.race([once(socket, "drain"), once(socket, "close")]).catch(() => undefined);
    else await pause(0);
  }
}

/** `count` of a thing at once, each begun anew when it has ended. */
export async function always(count: number, task: () => Promise<void>): Promise<void> {
  const one = async () => {
    for (;;) {
      await task().catch(() => undefined);
      // A client that is refused at once must not only burn its own processor.
      await pause(20);
    }
  };
  await Promise.all(Array.from({ length: count }, one));
}
