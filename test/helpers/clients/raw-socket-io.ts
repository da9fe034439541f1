import { once } from "node:events";
import { WebSocket } from "ws";
import { Inbox } from "./inbox.js";

/** A connection on which a test writes each frame itself, and reads each frame as it comes. */
export interface RawConnection {
  readonly frames: Inbox<string>;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  readonly isOpen: boolean;
  send(frame: string | Buffer): void;
  /** Pings, and resolves when that is answered, and with it all that was sent before. */
  answersPing(): Promise<void>;
  close(): Promise<void>;
}

const PONG = '{"event":"pong"}';

/** A plain WebSocket, connected. */
export async function rawPlain(url: string, path: string): Promise<RawConnection> {
  const connection = await open(`${url}${path}`, { ping: '{"type":"ping"}', pong: PONG });
  await connection.frames.next((frame) => frame.startsWith('{"event":"connected"'));
  return connection;
}

/** Socket.IO over a WebSocket, by hand. With `join` it is in its namespace; else it is open, and that is all. */
export async function rawSocketIo(
  url: string,
  path: string,
  { join = true } = {},
): Promise<RawConnection> {
  const target = `${url}${path}?EIO=4&transport=websocket`;
  const connection = await open(target, { ping: '42["ping"]', pong: `42["pong",${PONG}]` });
  await connection.frames.next((frame) => frame.startsWith("0{"));
  if (join) {
    connection.send("40");
    await connection.frames.next((frame) => frame.startsWith('42["connected"'));
  }
  return connection;
}

async function open(
  target: string,
  { ping, pong }: { ping: string; pong: string },
): Promise<RawConnection> {
  const socket = new WebSocket(target.replace("http", "ws"));
  const frames = new Inbox<string>();
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined);
  socket.on("message", (data) => {
    const frame = (data as Buffer).toString();
    // Engine.IO's heartbeat.
    if (frame === "2") socket.send("3");
    else frames.add(frame);
  });
  await once(socket, "open");
  return {
    frames,
    closed,
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    send: (frame) => {
      socket.send(frame);
    },
    answersPing: async () => {
      const from = frames.items.length;
      socket.send(ping);
      const ended = closed.then((code) => {
        throw new Error(`the connection has been closed with ${String(code)}`);
      });
      await Promise.race([frames.next((frame) => frame === pong, from), ended]);
    },
    close: async () => {
      socket.terminate();
      await closed;
    },
  };
}
