import { formatOffset, type Offset, type Position, type Role } from "@inthon/emitter/protocol";
import type { Room } from "../cluster/room.js";
import type { Counts } from "../telemetry/counts.js";
import { PROTOCOLS, type CloseReason, type EndReason, type Protocol } from "../telemetry/labels.js";
import type { Logger } from "../telemetry/log.js";
import type { RefusalDetail } from "../telemetry/refusals.js";
import { Sampler } from "../telemetry/sampler.js";
import type { Identity } from "./address.js";
import type { CatchUp } from "./resume/catch-ups.js";
import type { ClassroomSocket } from "./connection.js";

const reasons = new WeakMap<object, EndReason>();

/**
 * To be called before this server ends a connection. The first reason counts: the others follow from it. Nothing more is
 * told to it from now on, though its room goes on, and the client may take its time to go.
 */
export function endsBecause(connection: object, reason: EndReason): void {
  if (reasons.has(connection)) return;
  reasons.set(connection, reason);
  const stayed = (connection as LoggedConnection)[stay];
  if (!stayed) return;
  const place = placeIn(stayed.room, stayed.catchUp);
  (connection as LoggedConnection)[stay] = { ...stayed, catchUp: { isBehind: true, place } };
}

/** Who ends a connection may know no more of it than the WebSocket, or the transport, on which it lies. */
export function knownReason(connection: object): EndReason | undefined {
  const { transport, webSocket } = connection as {
    readonly transport?: { readonly socket?: object };
    readonly webSocket?: object;
  };
  for (const part of [connection, transport, transport?.socket, webSocket]) {
    const reason = part && reasons.get(part);
    if (reason) return reason;
  }
  return undefined;
}

/** Socket.IO's reasons, as the log calls them. */
const SOCKET_IO_REASONS: Readonly<Record<string, CloseReason>> = {
  "transport close": "transport_closed",
  "transport error": "transport_error",
  "ping timeout": "ping_timeout",
  "client namespace disconnect": "client_left",
  "server namespace disconnect": "session_ended",
};

/** How far one has been told that is, or stays, behind its room. */
type Reached = Pick<CatchUp, "isBehind" | "place">;

/** What the line of a connection's end needs, and nothing but that: it is kept for each connection. */
interface Stay {
  readonly id: string;
  readonly who: Identity;
  readonly user: string | undefined;
  /** By what it came. */
  readonly protocol: Protocol;
  readonly room: Room;
  readonly from: Offset;
  readonly catchUp: Readonly<Reached> | undefined;
  /** By the process's own clock. In whole milliseconds, which are no object of their own. */
  readonly startedAtMs: number;
}

const stay = Symbol("stay");

/** A connection of a socket: whoever refuses something to it may know no more of it than this. */
interface LoggedConnection {
  [stay]?: Stay;
}

/** What a line of the log says of a connection that has been let in, or `undefined` where it has not. */
export function memberDetail(connection: object): RefusalDetail | undefined {
  const stayed = (connection as LoggedConnection)[stay];
  return stayed && nameOf(stayed.id, stayed.who, stayed.user);
}

/** What there is to know of a connection that has been let in. */
export interface Known {
  readonly id: string;
  readonly who: Identity;
  readonly user: string | undefined;
  /** By what it is connected now. */
  readonly protocol: Protocol;
  readonly sinceMs: number;
  /** It has been told all between the two. */
  readonly from: Offset;
  readonly to: Offset;
  /** It is still being told what it had missed. */
  readonly isBehind: boolean;
}

/** The same for an operator, or `undefined` where it has not been let in. */
export function knownOf(conn: ClassroomSocket["conn"]): Known | undefined {
  const stayed = (conn as LoggedConnection)[stay];
  if (!stayed) return undefined;
  const { id, who, user, room, from, catchUp, startedAtMs } = stayed;
  return {
    id,
    who,
    user,
    protocol: protocolOf(conn),
    sinceMs: performance.now() - startedAtMs,
    from,
    to: formatOffset(placeIn(room, catchUp)),
    isBehind: catchUp?.isBehind === true,
  };
}

/** Who a token was issued to: of each connection, when one is looked for. */
export function userOf(conn: object): string | undefined {
  return (conn as LoggedConnection)[stay]?.user;
}

/** More than come and go in a second where all goes well, a class of a thousand that comes back included. */
const FLOOD = { linesPerWindow: 2_000, windowMs: 1_000 };

/**
 * Counts each connection, and has a line for its start and its end, but under a flood: who, by what, why it ended, and between which offsets
 * it was told all there was. That costs nothing for each event, and answers "why did this student hear nothing?".
 */
export class ConnectionLog {
  readonly #log: Logger;
  readonly #counts: Counts;
  readonly #closing: AbortSignal;
  readonly #sampler = new Sampler(FLOOD);
  /** One for all: a function for each connection would be memory for each. */
  readonly #onDisconnect: (this: ClassroomSocket, reason: string) => void;
  readonly #onUpgrade: (this: ClassroomSocket["conn"]) => void;

  /** @param closing - aborts when this replica sends everybody away */
  constructor(log: Logger, counts: Counts, closing: AbortSignal) {
    this.#log = log;
    this.#counts = counts;
    this.#closing = closing;
    const end = (socket: ClassroomSocket, reason: string) => {
      this.#end(socket, reason);
    };
    this.#onDisconnect = function (reason) {
      end(this, reason);
    };
    this.#onUpgrade = function () {
      const role = (this as LoggedConnection)[stay]?.who.role;
      if (role === undefined) return;
      counts.connections.add({ protocol: "polling", role }, -1);
      counts.connections.add({ protocol: protocolOf(this), role });
    };
  }

  /**
   * @param from - the offset that the connection starts from
   * @param catchUp - how far it has been told what it missed, if it has missed something
   */
  begin(
    socket: ClassroomSocket,
    who: Identity,
    room: Room,
    from: Offset,
    catchUp?: Readonly<Reached>,
  ): void {
    const protocol = protocolOf(socket.conn);
    this.#countBegin(socket, protocol, who.role);
    const { id } = socket;
    const { user } = socket.data;
    if (this.#log.isLevelEnabled("info")) {
      const { remoteAddress: address } = socket.conn;
      const { sessionId: session, role } = who;
      const line = { connection: id, session, role, user, address, protocol, from };
      this.#tell("connected", "connected", line);
    }
    const startedAtMs = Math.round(performance.now());
    const conn = socket.conn as LoggedConnection;
    conn[stay] = { id, who, user, protocol, room, from, catchUp, startedAtMs };
    socket.on("disconnect", this.#onDisconnect);
  }

  #countBegin(socket: ClassroomSocket, protocol: Protocol, role: Role): void {
    const { connections, opened } = this.#counts;
    opened.add({ protocol, role });
    connections.add({ protocol, role });
    if (protocol !== "polling") return;
    socket.conn.once("upgrade", this.#onUpgrade);
  }

  #end(socket: ClassroomSocket, why: string): void {
    const stayed = (socket.conn as LoggedConnection)[stay];
    if (!stayed) return;
    const { id, who, user, room, from, catchUp, startedAtMs } = stayed;
    const { role } = who;
    // Its connection may live on, and upgrade without it: that has nothing to count then.
    socket.conn.removeListener("upgrade", this.#onUpgrade);
    const protocol = protocolOf(socket.conn);
    const reason = this.#reasonOf(socket, why);
    this.#counts.connections.add({ protocol, role }, -1);
    // As it was counted when it came, so that the difference is who is there.
    this.#counts.closed.add({ protocol: stayed.protocol, role, reason });
    const line = {
      ...nameOf(id, who, user),
      protocol,
      reason,
      ms: Math.round(performance.now()) - startedAtMs,
      from,
      // A slow reader was not told what waited for it; which part that is, nobody has counted.
      ...(reason !== "slow_reader" && { to: formatOffset(placeIn(room, catchUp)) }),
    };
    this.#tell(`disconnected ${reason}`, "disconnected", line);
  }

  /** @param kind - of which so many are told; the next line of the same kind has the number of those that were not */
  #tell(kind: string, message: string, line: object): void {
    const untold = this.#sampler.admit(kind);
    if (untold === undefined) return;
    this.#log.info(untold > 0 ? { ...line, untold } : line, message);
  }

  #reasonOf(socket: ClassroomSocket, reason: string): CloseReason {
    const known = knownReason(socket.conn);
    if (known) return known;
    if (this.#closing.aborted) return "draining";
    return SOCKET_IO_REASONS[reason] ?? "other";
  }
}

function placeIn(room: Room, reached: Readonly<Reached> | undefined): Position {
  return reached?.isBehind === true ? reached.place : room.position;
}

function nameOf(connection: string, { sessionId, role }: Identity, user?: string) {
  return { connection, session: sessionId, role, user };
}

/** By what it is connected just now: one that began by long polling may have come to a WebSocket. */
function protocolOf({ transport: { name } }: ClassroomSocket["conn"]): Protocol {
  return PROTOCOLS.find((protocol) => protocol === name) ?? "websocket";
}
