import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { io, type ManagerOptions, type SocketOptions } from "socket.io-client";
import { WebSocket, type ClientOptions } from "ws";
import type { Role } from "@inthon/emitter/protocol";
import { EventStream } from "../../helpers/clients/event-stream.js";

/** Somebody who wants to come in, or to be told something. */
export interface Visitor {
  readonly url: string;
  readonly session: string;
  readonly role: Role;
  readonly token: string | undefined;
}

/** What it is answered. */
export interface Answer {
  /** `in`, or the code of its refusal. */
  readonly code: string;
  /** HTTP status; Socket.IO has none. */
  readonly status: number | undefined;
  /** What it is told to do. */
  readonly text: string;
  /** All headers, for HTTP. */
  readonly headers: string;
}

export type Door = (visitor: Visitor) => Promise<Answer>;

/** Every way to come in, and to be asked for a token. */
export const DOORS: Readonly<Record<string, Door>> = {
  "Socket.IO by WebSocket": (visitor) => bySocketIo(visitor, { transports: ["websocket"] }),
  "Socket.IO by polling": (visitor) => bySocketIo(visitor, { transports: ["polling"] }),
  "Socket.IO on its default path": (visitor) => {
    const { session: session_id, role, token } = visitor;
    const auth = { session_id, role, ...(token !== undefined && { token }) };
    return bySocketIo(visitor, { transports: ["websocket"], path: "/socket.io/", auth });
  },
  "plain WebSocket, by header": (visitor) =>
    byPlain(visitor, { options: { headers: authorization(visitor) } }),
  "plain WebSocket, by subprotocol": (visitor) =>
    byPlain(visitor, {
      protocols: visitor.token === undefined ? [] : ["bearer", visitor.token],
    }),
  "plain WebSocket, by query": (visitor) =>
    byPlain(visitor, {
      query: visitor.token === undefined ? "" : `?token=${encodeURIComponent(visitor.token)}`,
    }),
  "event stream, by header": (visitor) => byStream(visitor, "", authorization(visitor)),
  "event stream, by query": (visitor) =>
    byStream(
      visitor,
      visitor.token === undefined ? "" : `?token=${encodeURIComponent(visitor.token)}`,
    ),
  "history over HTTP": async (visitor) => {
    const { url, session, role } = visitor;
    return byHttp(`${url}/sessions/${session}/events?role=${role}`, {
      headers: authorization(visitor),
    });
  },
};

export function authorization({ token }: Pick<Visitor, "token">): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** A request over HTTP, and its answer. */
export async function byHttp(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const { code, detail } = (await response.json()) as { code?: string; detail?: string };
  return {
    code: response.ok ? "in" : String(code),
    status: response.status,
    text: detail ?? "",
    headers: JSON.stringify([...response.headers]),
  };
}

async function bySocketIo(
  { url, session, role, token }: Visitor,
  options: Partial<ManagerOptions & SocketOptions>,
): Promise<Answer> {
  const socket = io(url, {
    path: `/ws/session/${session}/${role}/`,
    auth: token === undefined ? {} : { token },
    forceNew: true,
    reconnection: false,
    ...options,
  });
  try {
    return await new Promise((resolve) => {
      const answer = (code: string, text = "") => {
        resolve({ code, text, status: undefined, headers: "" });
      };
      socket.once("connected", () => {
        answer("in");
      });
      socket.once("connect_error", (error: Error & { data?: { code: string } }) => {
        answer(error.data?.code ?? "lost", error.message);
      });
      socket.once("disconnect", (reason) => {
        answer(reason);
      });
    });
  } finally {
    socket.close();
  }
}

interface PlainHandshake {
  readonly query?: string;
  readonly protocols?: string[];
  readonly options?: ClientOptions;
}

async function byPlain(
  { url, session, role }: Visitor,
  { query = "", protocols = [], options = {} }: PlainHandshake,
): Promise<Answer> {
  const target = `${url.replace("http", "ws")}/ws/session/${session}/${role}/${query}`;
  const socket = new WebSocket(target, protocols, options);
  socket.on("error", () => undefined);
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const fail = (error: unknown) => {
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      let headers = "";
      socket.once("upgrade", (response: IncomingMessage) => {
        headers = JSON.stringify(response.headers);
      });
      once(socket, "message")
        .then(([data]) => {
          const { event } = JSON.parse(String(data)) as { event: string };
          const code = event === "connected" ? "in" : event;
          resolve({ code, status: undefined, text: socket.protocol, headers });
        })
        // It was refused, which is told below.
        .catch(() => undefined);
      socket.once("unexpected-response", (_request, response: IncomingMessage) => {
        bodyOf(response).then(({ code, detail }) => {
          const { statusCode: status, headers } = response;
          resolve({ code, status, text: detail, headers: JSON.stringify(headers) });
        }, fail);
      });
    });
  } finally {
    socket.terminate();
  }
}

async function byStream(
  { url, session, role }: Visitor,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const stream = await EventStream.open(url, `/ws/session/${session}/${role}/${query}`, {
    headers,
  });
  try {
    const { status } = stream;
    const answer = { status, headers: JSON.stringify(stream.response.headers) };
    if (status === 200) {
      const { event } = await stream.events.next();
      return { ...answer, code: event === "connected" ? "in" : event, text: "" };
    }
    await stream.ended;
    const { code, detail } = JSON.parse(stream.text) as { code: string; detail: string };
    return { ...answer, code, text: detail };
  } finally {
    stream.close();
  }
}

async function bodyOf(response: IncomingMessage): Promise<{ code: string; detail: string }> {
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return JSON.parse(text) as { code: string; detail: string };
}
