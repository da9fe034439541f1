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

/**
 * A line for each connection's start and end: who, by what, why it ended, and between which offsets it was told all there
 * was. That costs nothing for each event, and answers "why did this student hear nothing?".
 */
export class ConnectionLog {
  readonly #log: Logger;
  readonly #closing: AbortSignal;

  /** @param closing - aborts when this replica sends everybody away */
  constructor(log: Logger, closing: AbortSignal) {
    this.#log = log;
    this.#closing = closing;
  }

  /**
   * @param from - the offset that the connection starts from
   * @param catchUp - how far it has been told what it missed, if it has missed something
   */
  begin(
    socket: ClassroomSocket,
    { sessionId, role }: Identity,
    room: Room,
    from: Offset,
    catchUp?: Readonly<CatchUp>,
  ): void {
    if (!this.#log.isLevelEnabled("info")) return;
    const startedAt = performance.now();
    const { user } = socket.data;
    const who = { connection: socket.id, session: sessionId, role, user };
    const { remoteAddress: address } = socket.conn;
    this.#log.info({ ...who, address, protocol: protocolOf(socket), from }, "connected");
    socket.once("disconnect", (reason) => {
      const end = {
        protocol: protocolOf(socket),
        reason: this.#reasonOf(socket, reason),
        ms: Math.round(performance.now() - startedAt),
        from,
        to: formatOffset(catchUp?.isBehind === true ? catchUp.place : room.position),
      };
      this.#log.info({ ...who, ...end }, "disconnected");
    });
  }

  #reasonOf(socket: ClassroomSocket, reason: string): string {
    const known = knownReason(socket.conn);
    if (known) return known;
    if (this.#closing.aborted) return "draining" satisfies EndReason;
    return SOCKET_IO_REASONS[reason] ?? reason;
  }
}

/** `websocket` and `polling` are Socket.IO's, `plain` is a WebSocket without it. */
function protocolOf(socket: ClassroomSocket): string {
  return socket.conn.transport.name;
}
