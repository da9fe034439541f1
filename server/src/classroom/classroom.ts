import { parseRoomName, roomName, type RoomName, type SessionId } from "@inthon/emitter/protocol";
import type { Cluster } from "../cluster/cluster.js";
import { HeldRooms } from "../cluster/held-rooms.js";
import type { RoomEvent } from "../cluster/ports.js";
import type { Room, RoomListener } from "../cluster/room.js";
import type { Logger } from "../telemetry/log.js";
import type { Identity } from "./address.js";
import type { Refusals } from "../telemetry/refusals.js";
import { Admission } from "./admission.js";
import type { Lane } from "./batch.js";
import { ConnectionLog, endsBecause } from "./connection-log.js";
import type { ClassroomServer, ClassroomSocket } from "./connection.js";
import { FanOut } from "./fan-out.js";
import type { AdmissionError } from "./identify.js";
import { answerPings } from "./pings.js";
import type { Presence } from "./presence/presence.js";
import type { Beliefs } from "./presence/upkeep.js";
import { beginAt } from "./resume.js";
import { connected, Welcomes } from "./welcome.js";

export interface ClassroomOptions {
  readonly historyLimit: number;
  /** How many may be in one role room on this replica; 0 for any number. */
  readonly maxConnectionsPerRoom: number;
  readonly refusals: Refusals;
  readonly log: Logger;
  readonly laneTo: (socket: object) => Lane;
  /** Aborts when this replica sends everybody away. */
  readonly closing: AbortSignal;
}

/** What connections may do and are told. */
export class Classroom implements RoomListener {
  readonly #io: ClassroomServer;
  readonly #rooms: HeldRooms;
  readonly #maxConnectionsPerRoom: number;
  readonly #fanOut = new FanOut();
  readonly #welcomes = new Welcomes();
  readonly #connectionLog: ConnectionLog;

  constructor(
    io: ClassroomServer,
    cluster: Cluster,
    presence: Presence,
    options: ClassroomOptions,
  ) {
    this.#io = io;
    this.#maxConnectionsPerRoom = options.maxConnectionsPerRoom;
    this.#connectionLog = new ConnectionLog(options.log, options.closing);
    this.#rooms = new HeldRooms(cluster.broker, this, options);
    const admission = new Admission({
      rooms: this.#rooms,
      presence,
      announced: cluster.presence,
      isRoomFull: (identity) => this.isRoomFull(identity),
      laneTo: options.laneTo,
      refusals: options.refusals,
      log: options.log,
    });
    cluster.onForeignEmit(() => {
      this.#fanOut.flushAll();
    });
    io.use((socket, next) => {
      try {
        admission.admit(socket, next);
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
      const lane = socket.data.lane ?? options.laneTo(socket);
      cluster.counts.set(room, this.#fanOut.join(room, id, lane));
    });
    adapter.on("leave-room", (room: string, id: string) => {
      if (isRoleRoom(room)) cluster.counts.set(room, this.#fanOut.leave(room, id));
    });
  }

  /** Whether nobody else can be in a role room on this replica. */
  isRoomFull({ sessionId, role }: Identity): boolean {
    const limit = this.#maxConnectionsPerRoom;
    return limit > 0 && this.#rooms.holders(roomName(sessionId, role)) >= limit;
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
      const conn = this.#io.of("/").sockets.get(id)?.conn;
      if (!conn) continue;
      endsBecause(conn, "history_lost");
      conn.close();
    }
  }

  /** What students that this node holds believe of their teachers. */
  readonly beliefs: Beliefs = {
    sessions: () => this.#studentSessions(),
    of: (sessionId) => {
      const room = this.#rooms.find(roomName(sessionId, "student"));
      // While it does not hear what is announced, what it was told may be old.
      return room?.isReady && room.isLive ? room.teacherOnline : undefined;
    },
  };

  close(): void {
    this.#rooms.close();
  }

  *#studentSessions(): Iterable<SessionId> {
    for (const { name } of this.#rooms.all()) {
      const { role, sessionId } = parseRoomName(name) ?? {};
      if (role === "student" && sessionId) yield sessionId;
    }
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
    const { offset, missed } = begin;
    this.#connectionLog.begin(socket, identity, room, offset);
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

function isRoleRoom(name: string): name is RoomName {
  return parseRoomName(name) !== undefined;
}
