import type { PongEvent } from "@inthon/emitter/protocol";
import type { ClassroomSocket } from "./connection.js";

const PONG: PongEvent = { event: "pong" };

/** Answers both forms of a ping (PROTOCOL.md, section 4), and ignores whatever else comes. */
export function answerPings(socket: ClassroomSocket): void {
  // What a client sends is not what the types promise. Functions of their own for each socket would be memory for each.
  socket.on("ping", onPing);
  socket.on("message", onMessage);
}

function onPing(this: ClassroomSocket, ...args: unknown[]): void {
  this.emit("pong", PONG);
  const ack = args.at(-1);
  if (typeof ack === "function") (ack as (event: PongEvent) => void)(PONG);
}

function onMessage(this: ClassroomSocket, ...args: unknown[]): void {
  if (isPing(args[0])) onPing.apply(this, args);
}

/** Whether what a client sends is the contract's ping. */
export function isPing(message: unknown): boolean {
  return (
    typeof message === "object" &&
    message !== null &&
    (message as { type?: unknown }).type === "ping"
  );
}

/** Whether the arguments of a Socket.IO event, its name first, are a ping in either form. */
export function isPingEvent(data: unknown): boolean {
  if (!Array.isArray(data)) return false;
  const [name, message] = data as readonly unknown[];
  return name === "ping" || (name === "message" && isPing(message));
}
