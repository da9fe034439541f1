// One client connection, in any protocol of the server, behind one small interface:
//
//   close()        leaves for good
//   lose(ms)       cuts the line; the client comes back by itself after about `ms`
//   ping()         resolves with the round trip in milliseconds; missing where the protocol cannot send
//
// `report(state)` is told each change: { phase, reason?, replica?, transport?, resumed? }, where phase is
// "connecting", "connected", "reconnecting" or "disconnected" (stays so until someone connects again).
// `receive(told)` is told each event: { name, event, offset }.

import { overEventSource } from "./event-source.js";
import { overSocketIo } from "./socket-io.js";
import { tokenOf } from "./tokens.js";
import { overWebSocket } from "./web-socket.js";

export const PROTOCOLS = ["socket.io", "polling", "websocket", "eventsource"];

export function connect({ session, role, protocol, report, receive }) {
  const options = {
    path: `/ws/session/${session}/${role}/`,
    token: tokenOf(role),
    report,
    receive,
  };
  report({ phase: "connecting" });
  switch (protocol) {
    case "websocket":
      return overWebSocket(options);
    case "eventsource":
      return overEventSource(options);
    default:
      return overSocketIo({
        ...options,
        transports: protocol === "polling" ? ["polling"] : ["websocket"],
      });
  }
}
