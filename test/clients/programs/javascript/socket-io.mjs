import { io } from "socket.io-client";

const socket = io("http://localhost:3000", { path: "/ws/session/lecture-1/student/" });

// The second argument of each event is its offset.
socket.onAny((name, event, offset) => console.log(offset, JSON.stringify(event)));
socket.on("connect", () => {
  // Whether all that was missed follows; where not, load everything anew.
  console.log(socket.recovered ? "goes on" : "begins anew");
  socket.emit("ping");
});
socket.on("disconnect", (reason) => {
  if (!socket.active) console.log("stays away:", reason);
});
