import { formatOffset, type Offset } from "@inthon/emitter/protocol";
import type { Room } from "../cluster/room.js";
import type { Logger } from "../telemetry/log.js";
import type { Identity } from "./address.js";
import type { CatchUp } from "./resume/catch-ups.js";
import type { ClassroomSocket } from "./connection.js";

/** Why a connection ended, where it was not the client or the network. */
export type EndReason =
  | "session_ended"
  | "history_lost"
  | "slow_reader"
  | "token_expired"
  | "too_many_messages"
  | "too_large"
  | "ping_timeout"
  | "draining";

const reasons = new WeakMap<object, EndReason>();

/** To be called before this server ends a connection. The first reason counts: the others follow from it. */
export function endsBecause(connection: object, reason: EndReason): void {
  if (!reasons.has(connection)) reasons.set(connection, reason);
}

/** Who ends a connection may know no more of it than the WebSocket, or the transport, on which it lies. */
function knownReason(connection: object): EndReason | undefined {
  const { transport, webSocket } = connection as {
    readonly transport?: { readonly socket?: object };
    readonly webSocket?: object;
  };
  const parts = [connection, transport, transport?.socket, webSocket];
  return parts.flatMap((part) => (part && reasons.get(part)) ?? [])[0];
}

/** Socket.IO's reasons, as the log calls them. */
const SOCKET_IO_REASONS: Readonly<Record<string, string>> = {
  "transport close": "transport_closed",
  "transport error": "transport_error",
  "ping timeout": "ping_timeout",
  "client namespace disconnect": "client_left",
  "server namespace disconnect": "session_ended",
};

/** What the line of a connection's end needs, and nothing but that: it is kept for each connection. */
interface Stay {
  readonly who: Identity;
  readonly user: string | undefined;
  readonly room: Room;
  readonly from: Offset;
  readonly catchUp: Readonly<CatchUp> | undefined;
  /** By the process's own clock. In whole milliseconds, which are no object of their own. */
  readonly startedAtMs: number;
}

const stay = Symbol("stay");

type LoggedSocket = ClassroomSocket & { [stay]?: Stay };

/**
 * A line for each connection's start and end: who, by what, why it ended, and between which offsets it was told all there
 * was. That costs nothing for each event, and answers "why did this student hear nothing?".
 */
export class ConnectionLog {
  readonly #log: Logger;
  readonly #closing: AbortSignal;
  /** One for all: a function for each connection would be memory for each. */
  readonly #onDisconnect: (this: ClassroomSocket, reason: string) => void;

  /** @param closing - aborts when this replica sends everybody away */
  constructor(log: Logger, closing: AbortSignal) {
    this.#log = log;
    this.#closing = closing;
    const end = (socket: LoggedSocket, reason: string) => {
      this.#end(socket, reason);
    };
    this.#onDisconnect = function (reason) {
      end(this, reason);
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
    catchUp?: Readonly<CatchUp>,
  ): void {
    if (!this.#log.isLevelEnabled("info")) return;
    const { user } = socket.data;
    const { remoteAddress: address } = socket.conn;
    const line = { ...nameOf(socket, who, user), address, protocol: protocolOf(socket), from };
    this.#log.info(line, "connected");
    const startedAtMs = Math.round(performance.now());
    (socket as LoggedSocket)[stay] = { who, user, room, from, catchUp, startedAtMs };
    socket.on("disconnect", this.#onDisconnect);
  }

  #end(socket: LoggedSocket, reason: string): void {
    const stayed = socket[stay];
    if (!stayed) return;
    const { who, user, room, from, catchUp, startedAtMs } = stayed;
    const line = {
      ...nameOf(socket, who, user),
      protocol: protocolOf(socket),
      reason: this.#reasonOf(socket, reason),
      ms: Math.round(performance.now()) - startedAtMs,
      from,
      to: formatOffset(catchUp?.isBehind === true ? catchUp.place : room.position),
    };
    this.#log.info(line, "disconnected");
  }

  #reasonOf(socket: ClassroomSocket, reason: string): string {
    const known = knownReason(socket.conn);
    if (known) return known;
    if (this.#closing.aborted) return "draining" satisfies EndReason;
    return SOCKET_IO_REASONS[reason] ?? reason;
  }
}

function nameOf({ id }: ClassroomSocket, { sessionId, role }: Identity, user?: string) {
  return { connection: id, session: sessionId, role, user };
}

/** `websocket` and `polling` are Socket.IO's, `plain` is a WebSocket without it. */
function protocolOf(socket: ClassroomSocket): string {
  return socket.conn.transport.name;
}
