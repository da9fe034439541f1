import ReconnectingWebSocket from "reconnecting-websocket";

let last = "";
// Asked at each attempt.
const url = () => `ws://localhost:3000/ws/session/lecture-1/student/?offset=${last}`;
const socket = new ReconnectingWebSocket(url);

socket.addEventListener("open", () => socket.send('{"type":"ping"}'));
socket.addEventListener("message", ({ data }) => {
  const { offset, ...event } = JSON.parse(data);
  if (event.event === "connected" && last !== "") {
    console.log(offset === last ? "goes on" : "begins anew");
  }
  last = offset ?? last; // a pong has none
  console.log(offset, JSON.stringify(event));
  // It comes back after any close, 1000 too, unless it has closed by itself.
  if (event.event === "session_ended") socket.close();
});
socket.addEventListener("close", ({ code, reason }) => {
  if (code === 1008) socket.close(); // not admitted: neither the next time
  if (code === 1000 || code === 1008) console.log("stays away:", code, reason);
});
