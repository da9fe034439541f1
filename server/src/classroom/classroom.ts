import {
  formatOffset,
  parseRoomName,
  roomName,
  type RoomName,
  type SessionId,
} from "@inthon/emitter/protocol";
import type { Cluster } from "../cluster/cluster.js";
import { HeldRooms } from "../cluster/held-rooms.js";
import type { Postmark, RoomEvent } from "../cluster/ports.js";
import type { RoomLimits } from "../cluster/recent-events.js";
import type { Room, RoomListener } from "../cluster/room.js";
import { Traces } from "../telemetry/traces.js";
import type { Counts } from "../telemetry/counts.js";
import type { EndReason } from "../telemetry/labels.js";
import type { Identity } from "./address.js";
import { Admission, type AdmissionOptions } from "./admission.js";
import { CatchUps } from "./resume/catch-ups.js";
import { ConnectionLog, endsBecause } from "./connection-log.js";
import type { ClassroomServer, ClassroomSocket } from "./connection.js";
import { FanOut, type TraceListener } from "./fan-out.js";
import type { AdmissionError } from "./identify.js";
import { answerPings } from "./pings.js";
import type { Presence } from "./presence/presence.js";
import type { Beliefs } from "./presence/upkeep.js";
import { startingPlace, type Start } from "./resume/resume.js";
import { Welcomes } from "./welcome.js";

/** What was missed is sent in slices of so many bytes, or less where less may wait for a connection. */
const SLICE_BYTES = 128 * 1024;

/** Where those wait who have not been admitted. Each of its methods is given an Engine.IO connection, or what looks like one. */
export interface Door {
  /** The client has said who it is, and awaits an answer. */
  connected(connection: object): void;
  /** It was told no, and may stay for a while. */
  refused(connection: object): void;
}

export interface ClassroomOptions
  extends
    RoomLimits,
    Pick<AdmissionOptions, "laneTo" | "stayAway" | "tokenGate" | "refusals" | "log"> {
  readonly counts: Counts;
  /** How many may be in one role room on this replica; 0 for any number. */
  readonly maxConnectionsPerRoom: number;
  /** Bytes that may wait for one connection. */
  readonly maxUnreadBytes: number;
  readonly door: Door;
  /** Aborts when this replica sends everybody away. */
  readonly closing: AbortSignal;
}

/** What connections may do and are told. */
export class Classroom implements RoomListener {
  readonly #io: ClassroomServer;
  readonly #rooms: HeldRooms;
  readonly #maxConnectionsPerRoom: number;
  readonly #fanOut: FanOut;
  readonly #counts: Counts;
  readonly #welcomes = new Welcomes();
  readonly #connectionLog: ConnectionLog;
  readonly #laneTo: ClassroomOptions["laneTo"];
  readonly #catchUps: CatchUps;

  constructor(
    io: ClassroomServer,
    cluster: Cluster,
    presence: Presence,
    options: ClassroomOptions,
  ) {
    this.#io = io;
    this.#maxConnectionsPerRoom = options.maxConnectionsPerRoom;
    this.#laneTo = options.laneTo;
    const { counts, log } = options;
    this.#counts = counts;
    const onBroken = (room: RoomName, err: unknown) => {
      log.error({ err, room }, "a room was sent away: an error that nobody expected");
      this.#sendAway(room);
    };
    this.#fanOut = new FanOut(counts, onBroken, onTraced(new Traces(log)));
    this.#connectionLog = new ConnectionLog(log, counts, options.closing);
    const sliceBytes = Math.min(SLICE_BYTES, options.maxUnreadBytes / 4);
    this.#catchUps = new CatchUps(sliceBytes, counts.deliveries, {
      onCaughtUp: ({ id, room, lane }) => {
        // What waits for the members is among what it has just had.
        this.#fanOut.flush(room.name);
        this.#fanOut.join(room.name, id, lane);
      },
      onSessionEnded: ({ id }) => {
        this.#disconnect([id]);
      },
    });
    this.#rooms = new HeldRooms(cluster.broker, this, options);
    const admission = new Admission({
      ...options,
      rooms: this.#rooms,
      presence,
      announced: cluster.presence,
      isRoomFull: (identity) => this.isRoomFull(identity),
    });
    cluster.onForeignEmit(() => {
      this.#fanOut.flushAll();
    });
    const { door } = options;
    io.use((socket, next) => {
      const { conn } = socket;
      const answer = (error?: Error) => {
        if (error) door.refused(conn);
        next(error);
      };
      try {
        door.connected(conn);
        admission.admit(socket, answer);
      } catch (error) {
        answer(error as AdmissionError);
      }
    });
    io.on("connection", (socket) => {
      this.#forEach([socket.id], () => {
        this.#connect(socket);
      });
    });
    const { adapter, sockets } = io.of("/");
    adapter.on("join-room", (room: string, id: string) => {
      const socket = sockets.get(id);
      if (!isRoleRoom(room) || !socket) return;
      cluster.counts.set(room, adapter.rooms.get(room)?.size ?? 0);
      // Whoever catches up gets what is told to the members from history.
      if (this.#catchUps.has(id)) return;
      this.#fanOut.join(room, id, socket.data.lane ?? options.laneTo(socket));
    });
    adapter.on("leave-room", (room: string, id: string) => {
      if (!isRoleRoom(room)) return;
      cluster.counts.set(room, adapter.rooms.get(room)?.size ?? 0);
      this.#catchUps.end(id);
      this.#fanOut.leave(room, id);
    });
  }

  /** Whether nobody else can be in a role room on this replica. */
  isRoomFull({ sessionId, role }: Identity): boolean {
    const limit = this.#maxConnectionsPerRoom;
    return limit > 0 && this.#rooms.holders(roomName(sessionId, role)) >= limit;
  }

  /** How much of rooms is held. */
  get size(): HeldRooms["size"] {
    return this.#rooms.size;
  }

  /** The rooms that are held, and how many are in each. */
  census(): ReturnType<HeldRooms["census"]> {
    return this.#rooms.census();
  }

  onEvent(room: Room, event: RoomEvent, postmark: Postmark | undefined): void {
    this.#counts.received.add({ event: event.event.event });
    this.#fanOut.send(room.name, event, postmark);
    if (event.event.event !== "session_ended") return;
    this.#fanOut.flush(room.name);
    // Whoever catches up is told so in its turn.
    this.#disconnect(this.#fanOut.members(room.name));
  }

  onLoss(room: Room): void {
    this.#fanOut.flush(room.name);
    this.#sendAway(room.name, "history_lost");
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

  #countJoin({ role }: Identity, start: Start, missed: number, since: number): void {
    const { joins, joinSeconds, resumeEvents } = this.#counts;
    if (start.kind === "resume") {
      joins.add({ role, outcome: "resumed" });
      resumeEvents.observe(missed);
    } else {
      joins.add({ role, outcome: start.hasAsked ? "not_recovered" : "fresh" });
    }
    joinSeconds.observeSince(since);
  }

  #disconnect(ids: Iterable<string>): void {
    this.#forEach(ids, (socket) => {
      endsBecause(socket.conn, "session_ended");
      socket.disconnect(true);
    });
  }

  /** Not by a Socket.IO disconnect, which its client takes as final: the connection drops, and the client returns. */
  #sendAway(room: RoomName, reason?: EndReason): void {
    this.#forEach(this.#io.of("/").adapter.rooms.get(room) ?? [], ({ conn }) => {
      if (reason) endsBecause(conn, reason);
      conn.close();
    });
  }

  /** Does something for connections: an error that nobody expected costs the one in whose turn it came. */
  #forEach(ids: Iterable<string>, act: (socket: ClassroomSocket) => void): void {
    for (const id of ids) {
      const socket = this.#io.of("/").sockets.get(id);
      if (!socket) continue;
      try {
        act(socket);
      } catch (error) {
        this.#laneTo(socket).drop(error);
      }
    }
  }

  /**
   * Tells a connection where it stands, and makes it a member, in one step, so that nothing falls between; where it has
   * missed something, when it has had that.
   */
  #connect(socket: ClassroomSocket): void {
    const { identity, room, start, lane, since = 0 } = socket.data;
    // What was on its way to the members before is in the history that is read now.
    if (room) this.#fanOut.flush(room.name);
    const place = room && start && startingPlace(room, start);
    if (!identity || !lane || !place) {
      if (identity) this.#counts.joins.add({ role: identity.role, outcome: "unavailable" });
      // What was prepared is out of date before it could be used: the client comes back at once.
      socket.conn.close();
      return;
    }
    this.#countJoin(identity, start, room.position.n - place.n, since);
    answerPings(socket);
    const catchUp =
      place.n < room.position.n
        ? { id: socket.id, room, lane, place, known: undefined, isBehind: true }
        : undefined;
    this.#connectionLog.begin(socket, identity, room, formatOffset(place), catchUp);
    lane.write(this.#welcomes.batch(room, identity, formatOffset(place)));
    if (catchUp) this.#catchUps.begin(catchUp);
    void socket.join(room.name);
    socket.data = {};
  }
}

function onTraced(traces: Traces): TraceListener {
  return (room, { event, offset, postmark }, connections) => {
    const { sessionId: session = "", role = "" } = parseRoomName(room) ?? {};
    const { publishedAt, trace } = postmark;
    const ms = publishedAt === undefined ? undefined : performance.now() - publishedAt;
    const rounded = ms && Math.max(0, Math.round(ms));
    traces.told({ ...trace, session, role, event: event.event, offset, connections, ms: rounded });
  };
}

function isRoleRoom(name: string): name is RoomName {
  return parseRoomName(name) !== undefined;
}
