import type { PongEvent } from "@inthon/emitter/protocol";
import type { ClassroomSocket } from "./classroom.js";

const PONG: PongEvent = { event: "pong" };

/** Answers both forms of a ping (PROTOCOL.md, section 4), and ignores whatever else comes. */
export function answerPings(socket: ClassroomSocket): void {
  const answer = (args: readonly unknown[]) => {
    socket.emit("pong", PONG);
    const ack = args.at(-1);
    if (typeof ack === "function") (ack as (event: PongEvent) => void)(PONG);
  };
  // What a client sends is not what the types promise.
  socket.on("ping", (...args: unknown[]) => {
    answer(args);
  });
  socket.on("message", (...args: unknown[]) => {
    const [message] = args;
    const isPing =
      typeof message === "object" &&
      message !== null &&
      (message as { type?: unknown }).type === "ping";
    if (isPing) answer(args);
  });
}
