import { once } from "node:events";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { WebSocket } from "ws";
import type {
  ClientToServerEvents,
  ConnectedEvent,
  Role,
  ServerToClientEvents,
} from "@inthon/emitter/protocol";
import { EventStream } from "./event-stream.js";
import { Inbox } from "./inbox.js";

/** How a client of the contract connects. */
export type ClientKind = "websocket" | "polling" | "upgrade" | "plain" | "event-stream";

/** Every way in which the contract lets a client connect. */
export const CLIENT_KINDS = ["websocket", "polling", "upgrade", "plain", "event-stream"] as const;

/** Those that can say something: an EventSource only listens. */
export const TALKING_KINDS = ["websocket", "polling", "upgrade", "plain"] as const;

/** Those of Socket.IO. */
export const SOCKET_IO_KINDS = ["websocket", "polling", "upgrade"] as const;

/** The object of an event, as a client received it. */
export interface Received {
  readonly event: string;
  /** The object's JSON, byte for byte as it came over the wire. */
  readonly json: string;
  readonly object: Readonly<Record<string, unknown>>;
  readonly offset: string | undefined;
}

/** A client that writes down what it is told. */
export interface Client {
  readonly kind: ClientKind;
  readonly role: Role;
  /** Everything received, `connected` and `pong` included, in order. */
  readonly inbox: Inbox<Received>;
  /** Resolves with the first `connected`. */
  readonly connected: Promise<ConnectedEvent>;
  /** Resolves when the connection has ended for the first time: a close code, or Socket.IO's reason. */
  readonly closed: Promise<number | string>;
  /** Not where it only listens. */
  ping(): void;
  close(): Promise<void>;
}

export interface ClientOptions {
  readonly url: string;
  readonly session: string;
  readonly role: Role;
  readonly kind: ClientKind;
  /** Whether a plain client asks for offsets. Socket.IO clients always get them. */
  readonly wantsOffsets?: boolean;
}

/** The stock Socket.IO client, typed by the contract. */
export type ClassroomSocket = Socket<ServerToClientEvents, ClientToServerEvents>;

/** Connects and waits for `connected`. */
export async function join(options: ClientOptions): Promise<Client> {
  const client = await clientOf(options);
  try {
    await client.connected;
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

function clientOf(options: ClientOptions): Client | Promise<Client> {
  switch (options.kind) {
    case "plain":
      return plainClient(options);
    case "event-stream":
      return eventStreamClient(options);
    case "websocket":
    case "polling":
    case "upgrade":
      return socketIoClient(options);
  }
}

/** A stock Socket.IO client on the session's URL. */
export function socketIo(
  { url, session, role, kind }: ClientOptions,
  overrides: Partial<ManagerOptions & SocketOptions> = {},
): ClassroomSocket {
  return io(url, {
    path: `/ws/session/${session}/${role}/`,
    transports: kind === "upgrade" ? ["polling", "websocket"] : [kind],
    forceNew: true,
    // Tests reconnect at once: nobody else is there to be spared.
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    ...overrides,
  });
}

function socketIoClient(options: ClientOptions): Client & { socket: ClassroomSocket } {
  const socket = socketIo(options);
  const inbox = new Inbox<Received>();
  // The bytes of each event, before the client parses them; it hands its events on in the same order.
  const raw: string[] = [];
  socket.io.on("open", () => {
    socket.io.engine.on("packet", ({ type, data }: { type: string; data?: unknown }) => {
      if (type === "message" && typeof data === "string" && data.startsWith("2[")) raw.push(data);
    });
  });
  socket.onAny((event: string, object: Record<string, unknown>, offset?: string) => {
    const json = objectIn(raw.shift() ?? "", event, offset);
    inbox.add({ event, json, object, offset });
  });
  return {
    kind: options.kind,
    role: options.role,
    socket,
    inbox,
    connected: firstConnected(
      inbox,
      new Promise((_, reject) => socket.once("connect_error", reject)),
    ),
    closed: new Promise((resolve) => socket.once("disconnect", resolve)),
    ping: () => socket.send({ type: "ping" }),
    close: () => {
      socket.close();
      return Promise.resolve();
    },
  };
}

/** Cuts the object out of Socket.IO's `2["name",{...},"offset"]`. */
function objectIn(packet: string, event: string, offset: string | undefined): string {
  const head = `2["${event}",`;
  const tail = offset === undefined ? "]" : `,"${offset}"]`;
  if (packet.startsWith(head) && packet.endsWith(tail)) {
    return packet.slice(head.length, -tail.length);
  }
  throw new Error(`not the packet of ${event}: ${packet}`);
}

function plainClient({ url, session, role, wantsOffsets = false }: ClientOptions): Client {
  const query = wantsOffsets ? "?offset=" : "";
  const target = `${url.replace("http", "ws")}/ws/session/${session}/${role}/${query}`;
  const socket = new WebSocket(target);
  const inbox = new Inbox<Received>();
  socket.on("message", (data) => {
    const json = (data as Buffer).toString();
    const object = JSON.parse(json) as Record<string, unknown>;
    const offset = wantsOffsets ? (object["offset"] as string | undefined) : undefined;
    inbox.add({ event: String(object["event"]), json, object, offset });
  });
  const failed = new Promise<never>((_, reject) => socket.once("error", reject));
  return {
    kind: "plain",
    role,
    inbox,
    connected: firstConnected(inbox, failed),
    closed: new Promise((resolve) => socket.once("close", resolve)),
    ping: () => {
      socket.send('{"type":"ping"}');
    },
    close: async () => {
      if (socket.readyState === WebSocket.CLOSED) return;
      const closed = once(socket, "close");
      socket.terminate();
      await closed;
    },
  };
}

async function eventStreamClient({ url, session, role }: ClientOptions): Promise<Client> {
  const stream = await EventStream.open(url, `/ws/session/${session}/${role}/`);
  const inbox = new Inbox<Received>();
  stream.events.each(({ event, id, data }) => {
    const object = JSON.parse(data) as Record<string, unknown>;
    inbox.add({ event, json: data, object, offset: id });
  });
  const failed = stream.ended.then(() => {
    throw new Error(`the stream has ended: ${String(stream.status)} ${stream.text}`);
  });
  return {
    kind: "event-stream",
    role,
    inbox,
    connected: firstConnected(inbox, failed),
    closed: stream.ended.then(() => "ended"),
    ping: () => {
      throw new Error("an EventSource cannot ping");
    },
    close: async () => {
      stream.close();
      await stream.ended;
    },
  };
}

async function firstConnected(
  inbox: Inbox<Received>,
  failed: Promise<never>,
): Promise<ConnectedEvent> {
  failed.catch(() => undefined);
  const { object } = await Promise.race([inbox.next(({ event }) => event === "connected"), failed]);
  return object as unknown as ConnectedEvent;
}
