import type { Server, Socket } from "socket.io";
import {
  parseRoomName,
  roomName,
  type ClientToServerEvents,
  type RoomName,
  type ServerToClientEvents,
  type SessionId,
} from "@inthon/emitter/protocol";
import type { Cluster } from "../cluster/cluster.js";
import type { RoomEvent } from "../cluster/ports.js";
import type { Room, RoomListener } from "../cluster/room.js";
import { untilDone } from "../cluster/retry.js";
import { Rooms } from "../cluster/held-rooms.js";
import type { Logger } from "../telemetry/log.js";
import type { Identity } from "./address.js";
import { identify, type AdmissionError } from "./identify.js";
import type { Lane } from "./batch.js";
import { FanOut } from "./fan-out.js";
import { connected, Welcomes } from "./welcome.js";
import { Patience } from "./limited-wait.js";
import { answerPings } from "./pings.js";
import type { Presence } from "./presence.js";
import { beginAt, makePid, prepareStart, resumeRequest, setPid, type Start } from "./resume.js";

type NoEvents = Record<string, never>;

/** What is known of an admitted connection. Set by the middleware, used when it connects. */
export interface ConnectionData {
  identity: Identity;
  room: Room;
  start: Start;
  lane: Lane;
}

export type ClassroomServer = Server<
  ClientToServerEvents,
  ServerToClientEvents,
  NoEvents,
  Partial<ConnectionData>
>;
export type ClassroomSocket = Socket<
  ClientToServerEvents,
  ServerToClientEvents,
  NoEvents,
  Partial<ConnectionData>
>;

/** A client that gets no answer in this time is sent away, to try again. Below Socket.IO's own limit of 45 s. */
const ADMISSION_TIMEOUT_MS = 15_000;

/** What connections may do and are told. */
export class Classroom implements RoomListener {
  readonly #io: ClassroomServer;
  readonly #cluster: Cluster;
  readonly #presence: Presence;
  readonly #log: Logger;
  readonly #rooms: Rooms;
  readonly #fanOut = new FanOut();
  readonly #welcomes = new Welcomes();
  readonly #laneTo: (socket: ClassroomSocket) => Lane;

  constructor(
    io: ClassroomServer,
    cluster: Cluster,
    presence: Presence,
    options: { historyLimit: number; log: Logger; laneTo: (socket: object) => Lane },
  ) {
    this.#io = io;
    this.#cluster = cluster;
    this.#presence = presence;
    this.#log = options.log;
    this.#rooms = new Rooms(cluster.broker, this, options);
    this.#laneTo = options.laneTo;
    cluster.onForeignEmit(() => {
      this.#fanOut.flushAll();
    });
    io.use((socket, next) => {
      try {
        this.#admit(socket, next);
      } catch (error) {
        next(error as AdmissionError);
      }
    });
    io.on("connection", (socket) => {
      this.#connect(socket);
    });
    const { adapter, sockets } = io.of("/");
    adapter.on("join-room", (room: string, id: string) => {
      const socket = sockets.get(id);
      if (!isRoleRoom(room) || !socket) return;
      const lane = socket.data.lane ?? this.#laneTo(socket);
      cluster.counts.set(room, this.#fanOut.join(room, id, lane));
    });
    adapter.on("leave-room", (room: string, id: string) => {
      if (isRoleRoom(room)) cluster.counts.set(room, this.#fanOut.leave(room, id));
    });
  }

  onEvent(room: Room, event: RoomEvent): void {
    this.#fanOut.send(room.name, event);
    if (event.event.event !== "session_ended") return;
    this.#fanOut.flush(room.name);
    this.#io.local.in(room.name).disconnectSockets(true);
  }

  onLoss(room: Room): void {
    this.#fanOut.flush(room.name);
    // Not a Socket.IO disconnect, which its client takes as final: the connection drops, and the client returns.
    for (const id of this.#io.of("/").adapter.rooms.get(room.name) ?? []) {
      this.#io.of("/").sockets.get(id)?.conn.close();
    }
  }

  /** The sessions whose students this node holds, and what they believe of their teacher. */
  *toldOfTeachers(): Iterable<readonly [SessionId, boolean]> {
    for (const room of this.#rooms.all()) {
      const { role, sessionId } = parseRoomName(room.name) ?? {};
      if (role === "student" && sessionId) yield [sessionId, room.teacherOnline];
    }
  }

  close(): void {
    this.#rooms.close();
  }

  /**
   * Gets everything ready, so that {@link Classroom.#connect} is one synchronous step.
   *
   * @throws AdmissionError
   */
  #admit(socket: ClassroomSocket, next: (error?: Error) => void): void {
    const { url, auth, query } = socket.handshake;
    const identity = identify({ url, auth, query });
    const room = this.#hold(socket, identity);
    const resume = resumeRequest(socket, identity);
    // Most students join a room that others have joined before: they need not wait for anything.
    if (identity.role === "student" && resume.offset === undefined && room.isReady) {
      this.#welcome(socket, { identity, room, start: { kind: "fresh" } });
      next();
      return;
    }
    this.#prepare(socket, identity, room, resume.offset)
      .then((start) => {
        const pid = start?.kind === "resume" ? resume.pid : undefined;
        if (start) this.#welcome(socket, { identity, room, start }, pid);
        next();
      })
      .catch(next);
  }

  /** Holds the connection's room as long as it lives: so the listener holds nothing but what it needs. */
  #hold(socket: ClassroomSocket, { sessionId, role }: Identity): Room {
    const room = this.#rooms.hold(roomName(sessionId, role));
    socket.conn.on("close", () => {
      this.#rooms.release(room.name);
      if (role === "teacher") this.#presence.leave(sessionId, socket.id);
    });
    return room;
  }

  /** @param pid - what the client was told before, if it is recovered: `socket.recovered` is whether it gets it back */
  #welcome(socket: ClassroomSocket, data: Omit<ConnectionData, "lane">, pid?: string): void {
    setPid(socket, pid ?? makePid(data.identity, socket.id));
    const lane = this.#laneTo(socket);
    socket.data = { ...data, lane };
    // Socket.IO's own packet and `connected` go out together.
    lane.gather();
  }

  /** Resolves to `undefined` where the connection has been closed. */
  async #prepare(
    socket: ClassroomSocket,
    identity: Identity,
    room: Room,
    offset: unknown,
  ): Promise<Start | undefined> {
    const { conn, id } = socket;
    const patience = new Patience(ADMISSION_TIMEOUT_MS, () => {
      this.#log.warn({ room: room.name }, "a client was sent away: the cluster did not answer");
      conn.close();
    });
    const abandon = () => {
      patience.abandon();
    };
    conn.on("close", abandon);
    try {
      return await this.#prepareStart(id, identity, room, offset, patience.signal);
    } catch (error) {
      // Either it has gone, or it is sent away to try again, with nothing to say that would help it.
      if (!patience.signal.aborted) this.#log.error({ err: error }, "a client was not admitted");
      conn.close();
      return undefined;
    } finally {
      patience.done();
      conn.off("close", abandon);
    }
  }

  async #prepareStart(
    socketId: string,
    { sessionId, role }: Identity,
    room: Room,
    offset: unknown,
    signal: AbortSignal,
  ): Promise<Start> {
    const retry = <T>(task: () => Promise<T>) => untilDone(task, signal, () => undefined);
    await room.opened;
    const start = await retry(() => prepareStart(room, offset));
    if (role === "teacher") {
      await this.#presence.join(sessionId, socketId, () => !signal.aborted);
    } else {
      await retry(() => room.learnPresence(() => this.#cluster.presence.isAnnounced(sessionId)));
    }
    return start;
  }

  /** Tells a connection where it stands, then what it missed, and makes it a member: nothing falls between. */
  #connect(socket: ClassroomSocket): void {
    const { identity, room, start, lane } = socket.data;
    // What was on its way to the members before is in the history that is read now.
    if (room) this.#fanOut.flush(room.name);
    const begin = room && start && beginAt(room, start);
    if (!identity || !lane || !begin) {
      // What was prepared is out of date before it could be used: the client comes back at once.
      socket.conn.close();
      return;
    }
    answerPings(socket);
    socket.on("disconnect", onDisconnect);
    const { offset, missed } = begin;
    if (missed.length === 0) {
      lane.write(this.#welcomes.batch(room, identity, offset));
    } else {
      this.#fanOut.tell(lane, [connected(room, identity, offset), ...missed]);
    }
    if (missed.at(-1)?.event.event === "session_ended") {
      socket.disconnect(true);
      return;
    }
    void socket.join(room.name);
    socket.data = {};
  }
}

/** The namespace is all there is: a connection without it would only wait for its time-out. */
function onDisconnect(this: ClassroomSocket, reason: string): void {
  if (reason === "client namespace disconnect") this.conn.close();
}

function isRoleRoom(name: string): name is RoomName {
  return parseRoomName(name) !== undefined;
}
