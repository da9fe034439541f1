import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Role } from "@inthon/emitter/protocol";
import { socketIo, type ClientKind } from "../../helpers/clients/clients.js";
import { EventStream } from "../../helpers/clients/event-stream.js";
import { Line, type Cut, type Target } from "./line.js";
import type { Track } from "../judge/track.js";
import { idOf } from "../judge/truth.js";

/** How long a client waits for an answer before it tries elsewhere: a frozen replica gives none. */
const HANDSHAKE_TIMEOUT_MS = 4_000;
const RETRY_MS = { min: 50, spread: 150 };
const NORMAL_CLOSURE = 1000;
const OK = 200;
const NO_CONTENT = 204;

/** A client that comes back by itself, each time to some replica, until it is closed. */
export interface ChaosClient {
  readonly track: Track;
  /** Ends its connections without a close. */
  cut(cut: Cut, ms: number): void;
  close(): Promise<void>;
}

export interface ChaosClientOptions {
  readonly kind: ClientKind;
  readonly session: string;
  readonly role: Role;
  readonly track: Track;
  /** Chooses where the next connection goes. */
  readonly choose: () => Target;
}

export async function startClient(options: ChaosClientOptions): Promise<ChaosClient> {
  const line = await Line.open(options.choose);
  const { track } = options;
  const close = starterOf(options.kind)(options, line);
  return {
    track,
    cut: (wanted, ms) => {
      // What says nothing is found by TCP alone, for which this line answers.
      const cut = wanted === "vanish" && options.kind === "event-stream" ? "reset" : wanted;
      track.note(`cut off: ${cut}${cut === "gap" ? ` of ${ms} ms` : ""}`);
      line.cut(cut, ms);
    },
    close: async () => {
      close();
      await line.close();
    },
  };
}

function starterOf(kind: ClientKind): (options: ChaosClientOptions, line: Line) => () => void {
  if (kind === "plain") return startPlain;
  return kind === "event-stream" ? startStream : startSocketIo;
}

/** The stock client, which keeps `pid` and offset by itself. */
function startSocketIo(options: ChaosClientOptions, line: Line): () => void {
  const { track } = options;
  const socket = socketIo({ ...options, url: line.url }, { timeout: HANDSHAKE_TIMEOUT_MS });
  socket.io.on("reconnect_attempt", () => {
    line.reroute();
  });
  socket.on("disconnect", (reason) => {
    track.disconnected(reason);
    if (reason === "io server disconnect") track.dismissed(reason);
  });
  // An error of the connection is tried again; what the server answers to CONNECT is final.
  socket.on("connect_error", (error) => {
    if (!socket.active) track.dismissed(error.message);
  });
  socket.onAny((event: string, object: Record<string, unknown>, offset?: string) => {
    if (event === "connected")
      track.connected(offset, socket.recovered, line.target, object["teacher_online"]);
    else track.event(offset, idOf(object));
  });
  return () => {
    socket.close();
  };
}

/** A plain WebSocket with the few lines that a client needs to resume. */
function startPlain({ session, role, track }: ChaosClientOptions, line: Line): () => void {
  const base = `${line.url.replace("http", "ws")}/ws/session/${session}/${role}/`;
  let socket: WebSocket | undefined;
  let isClosed = false;
  const connect = () => {
    const asked = track.offset;
    socket = new WebSocket(`${base}?offset=${asked ?? ""}`, {
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      perMessageDeflate: false,
    });
    socket.on("message", (data) => {
      const object = JSON.parse((data as Buffer).toString()) as Record<string, unknown>;
      const offset = object["offset"];
      const isRecovered = asked !== undefined && offset === asked;
      if (object["event"] !== "connected") track.event(offset, idOf(object));
      else track.connected(offset, isRecovered, line.target, object["teacher_online"]);
    });
    socket.on("error", () => undefined);
    socket.once("close", (code) => {
      if (isClosed) return;
      track.disconnected(`close code ${code}`);
      if (code === NORMAL_CLOSURE) track.dismissed(`close code ${code}`);
      void reconnect();
    });
  };
  const reconnect = async () => {
    await delay(RETRY_MS.min + Math.random() * RETRY_MS.spread);
    if (isClosed) return;
    line.reroute();
    connect();
  };
  connect();
  return () => {
    isClosed = true;
    socket?.terminate();
  };
}

/** As an EventSource does it, but for how long it waits. */
function startStream({ session, role, track }: ChaosClientOptions, line: Line): () => void {
  let ending = new AbortController();
  let isClosed = false;
  const listen = async () => {
    const asked = track.offset;
    ending = new AbortController();
    const { signal } = ending;
    const timer = setTimeout(() => {
      ending.abort();
    }, HANDSHAKE_TIMEOUT_MS);
    const path = `/ws/session/${session}/${role}/`;
    const options = { signal, lastEventId: asked };
    const stream = await EventStream.open(line.url, path, options).finally(() => {
      clearTimeout(timer);
    });
    if (stream.status === NO_CONTENT) track.dismissed("204");
    stream.events.each(({ event, id, data }) => {
      const object = JSON.parse(data) as Record<string, unknown>;
      const isRecovered = asked !== undefined && id === asked;
      if (event !== "connected") track.event(id, idOf(object));
      else track.connected(id, isRecovered, line.target, object["teacher_online"]);
    });
    await stream.ended;
    if (!isClosed && stream.status === OK) track.disconnected("the stream has ended");
  };
  const go = async () => {
    while (!isClosed) {
      await listen().catch(() => undefined);
      await delay(RETRY_MS.min + Math.random() * RETRY_MS.spread);
      line.reroute();
    }
  };
  void go();
  return () => {
    isClosed = true;
    ending.abort();
  };
}
