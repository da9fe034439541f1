import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { always, flood, frame, open, upgrade, type Target } from "./raw.js";
import { FAT_SESSION } from "./fat-session.js";

/** Harms a replica for as long as its process lives. */
export interface Attack {
  /** What it does, in the words of the README's table of limits. */
  readonly name: string;
  /** Added to the environment of the replica. */
  readonly env?: Readonly<Record<string, string>>;
  run(target: Target): Promise<void>;
}

const FAT = `/ws/session/${FAT_SESSION}/student/`;
const QUIET = "/ws/session/quiet/student/";
const SOCKET_IO = "?EIO=4&transport=websocket";
const PING_MESSAGE = frame("text", '{"type":"ping"}');
const closed = (socket: { once(event: "close", listener: () => void): unknown }) =>
  new Promise<void>((resolve) => socket.once("close", resolve));

/** Joins the room that is told much, and reads nothing more. */
async function readNothing(target: Target, path: string, join: readonly Buffer[], alive: Buffer) {
  const socket = await upgrade(target, path);
  if (!socket) return;
  for (const bytes of join) socket.write(bytes);
  socket.pause();
  const timer = setInterval(() => socket.write(alive), 2_000);
  await closed(socket);
  clearInterval(timer);
}

function post(target: Target, path: string, headers: readonly string[], body: string) {
  const head = [`POST ${path} HTTP/1.1`, `Host: ${target.host}`, ...headers].join("\r\n");
  return open(target).then((socket) => {
    socket?.write(`${head}\r\n\r\n${body}`);
    return socket;
  });
}

const length = (body: string) => `Content-Length: ${String(Buffer.byteLength(body))}`;
const JSON_TYPE = "Content-Type: application/json";

/** A Socket.IO client by long polling: resolves to the path of its requests. */
async function openPolling({ host, port }: Target, path: string): Promise<string> {
  const url = `http://${host}:${String(port)}${path}?EIO=4&transport=polling`;
  const text = await (await fetch(url)).text();
  const sid = /"sid":"([^"]+)"/.exec(text)?.[1] ?? "";
  return `${path}?EIO=4&transport=polling&sid=${encodeURIComponent(sid)}`;
}

export const ATTACKS: readonly Attack[] = [
  {
    name: "nothing",
    run: () => new Promise(() => setInterval(() => undefined, 60_000)),
  },
  {
    name: "Socket.IO readers that only pong",
    run: (target) =>
      always(200, () =>
        readNothing(target, FAT + SOCKET_IO, [frame("text", "40")], frame("text", "3")),
      ),
  },
  {
    name: "plain readers that only pong",
    run: (target) => always(200, () => readNothing(target, FAT, [], frame("pong", ""))),
  },
  {
    name: "polling that posts and never polls",
    run: (target) =>
      always(50, async () => {
        const path = await openPolling(target, FAT);
        const url = `http://${target.host}:${String(target.port)}${path}`;
        await fetch(url, { method: "POST", body: "40" });
        for (;;) {
          const answer = await fetch(url, { method: "POST", body: '42["ping"]' });
          if (answer.status !== 200) return;
          await pause(50);
        }
      }),
  },
  {
    name: "namespaces of 60 KB, answers unread",
    run: (target) =>
      always(20, async () => {
        const socket = await upgrade(target, FAT + SOCKET_IO);
        if (!socket) return;
        socket.pause();
        await flood(socket, frame("text", `40/${"n".repeat(60_000)},`));
      }),
  },
  {
    name: "namespaces, one after the other",
    run: (target) =>
      always(20, async () => {
        const socket = await upgrade(target, FAT + SOCKET_IO);
        socket?.resume();
        if (socket) await flood(socket, frame("text", "40/another,"));
      }),
  },
  {
    name: "pings of WebSocket",
    run: (target) =>
      always(4, async () => {
        const socket = await upgrade(target, FAT);
        socket?.resume();
        if (socket)
          await flood(socket, Buffer.concat(Array.from({ length: 500 }, () => frame("ping", "x"))));
      }),
  },
  {
    name: "pings of the contract",
    run: (target) =>
      always(4, async () => {
        const socket = await upgrade(target, FAT);
        socket?.resume();
        if (socket)
          await flood(socket, Buffer.concat(Array.from({ length: 500 }, () => PING_MESSAGE)));
      }),
  },
  {
    name: "pipelined GETs",
    run: (target) =>
      always(4, async () => {
        const socket = await open(target);
        socket?.resume();
        const get = `GET /sessions/good-1 HTTP/1.1\r\nHost: ${target.host}\r\n\r\n`;
        if (socket) await flood(socket, Buffer.from(get.repeat(500)));
      }),
  },
  {
    name: "frames of 64 KB",
    run: (target) =>
      always(10, async () => {
        const socket = await upgrade(target, FAT + SOCKET_IO);
        if (!socket) return;
        socket.resume();
        socket.write(frame("text", "40"));
        await once(socket, "data");
        await flood(socket, frame("text", `42["message","${"x".repeat(65_000)}"]`));
      }),
  },
  {
    name: "no CONNECT",
    run: (target) =>
      always(500, async () => {
        const socket = await upgrade(target, FAT + SOCKET_IO);
        socket?.resume();
        if (socket) await closed(socket);
      }),
  },
  {
    name: "a body of one byte a second",
    run: (target) =>
      always(500, async () => {
        const socket = await post(
          target,
          "/sessions/a/events",
          [JSON_TYPE, "Content-Length: 1000000"],
          "[",
        );
        socket?.resume();
        const timer = setInterval(() => socket?.write(" "), 1_000);
        if (socket) await closed(socket);
        clearInterval(timer);
      }),
  },
  {
    name: "a body without end after a 401",
    env: { PUBLISH_KEYS: "a-key-of-a-service" },
    run: (target) =>
      always(4, async () => {
        const socket = await post(
          target,
          "/sessions/a/events",
          [JSON_TYPE, "Transfer-Encoding: chunked"],
          "",
        );
        socket?.resume();
        const chunk = "x".repeat(0xffff);
        if (socket) await flood(socket, Buffer.from(`ffff\r\n${chunk}\r\n`));
      }),
  },
  {
    name: "faults without end",
    run: (target) =>
      always(2, async () => {
        const event = JSON.stringify({ event: "important", a: 1, b: 2, c: 3 });
        const body = `[${Array.from({ length: 20_000 }, () => event).join(",")}]`;
        const socket = await post(target, "/sessions/a/events", [JSON_TYPE, length(body)], body);
        if (!socket) return;
        socket.resume();
        await once(socket, "data");
        socket.destroy();
      }),
  },
  {
    name: "connections without end",
    env: { TRUST_PROXY: "127.0.0.0/8" },
    run: (target) =>
      always(5_000, async () => {
        // Where little is told: a thousand students of the other room would be served for what they are.
        const socket = await upgrade(target, QUIET);
        socket?.resume();
        if (socket) await closed(socket);
        await pause(1_000);
      }),
  },
  {
    name: "teachers of sessions that nobody has",
    run: (target) =>
      always(20, async () => {
        const name = `made-up-${String(Math.random()).slice(2)}`;
        const socket = await upgrade(target, `/ws/session/${name}/teacher/`);
        if (!socket) return;
        await once(socket, "data").catch(() => undefined);
        socket.destroy();
      }),
  },
  {
    name: "a teacher that flaps",
    run: (target) =>
      always(5, async () => {
        const socket = await upgrade(target, "/ws/session/good-1/teacher/");
        if (!socket) return;
        await pause(20);
        socket.destroy();
      }),
  },
  {
    name: "handshakes that are refused",
    run: (target) =>
      always(200, async () => {
        const socket = await upgrade(target, "/ws/session/bad.id/student/?EIO=3");
        socket?.resume();
        if (socket) await closed(socket);
      }),
  },
  {
    name: "handshakes that are no HTTP",
    run: (target) =>
      always(200, async () => {
        const socket = await upgrade(target, "/ws/session/bad id/student/?EIO=3");
        socket?.resume();
        if (socket) await closed(socket);
      }),
  },
  {
    name: "a class that comes back over a full history",
    run: (target) =>
      always(49, async () => {
        const socket = await upgrade(target, `${FAT}?offset=1-1`);
        if (!socket) return;
        socket.resume();
        await pause(500);
        socket.destroy();
      }),
  },
  {
    name: "pages of history",
    run: ({ host, port }) =>
      always(10, async () => {
        const url = `http://${host}:${String(port)}/sessions/${FAT_SESSION}/events`;
        await (await fetch(`${url}?role=student&limit=1000`)).arrayBuffer();
      }),
  },
];
