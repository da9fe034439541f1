import { io } from "socket.io-client";

let last = "";
const socket = io("http://localhost:3000", {
  path: "/ws/session/lecture-1/student/",
  // Asked at each attempt. The `pid` is session and role, each with a dot behind it.
  auth: (send) => send(last === "" ? {} : { pid: "lecture-1.student.", offset: last }),
});

socket.onAny((name, event, offset) => {
  if (name === "connected" && last !== "") {
    console.log(offset === last ? "goes on" : "begins anew");
  }
  last = offset ?? last; // a pong has none
  console.log(offset, JSON.stringify(event));
});
socket.on("connect", () => socket.emit("ping"));
socket.on("disconnect", (reason) => {
  if (reason === "io server disconnect") console.log("stays away:", reason);
});
