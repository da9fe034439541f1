import type { Server, Socket } from "socket.io";
import type { ClientToServerEvents, ServerToClientEvents } from "@inthon/emitter/protocol";
import type { Room } from "../cluster/room.js";
import type { Identity } from "./address.js";
import type { Lane } from "./batch.js";
import type { Start } from "./resume/resume.js";

/** Servers send each other nothing by Socket.IO. */
type NoEvents = Record<string, never>;

/** What is known of an admitted connection. Set by the middleware, used when it connects. */
export interface ConnectionData {
  /** Who its token was issued to, where that says so. */
  user: string | undefined;
  identity: Identity;
  room: Room;
  start: Start;
  /** When its client had said who it is, in milliseconds of the monotonic clock. */
  since: number;
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
