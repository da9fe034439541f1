let last = "";
let failures = 0;
function connect() {
  const url = `ws://localhost:3000/ws/session/lecture-1/student/?offset=${last}`;
  const socket = new WebSocket(url);
  // A replica or a link that hangs closes nothing: who hears nothing must ask.
  let isAlive = true;
  const pings = setInterval(() => {
    if (!isAlive) socket.close();
    else if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
    isAlive = false;
  }, 15_000);
  socket.onopen = () => socket.send('{"type":"ping"}');
  socket.onmessage = ({ data }) => {
    isAlive = true;
    const { offset, ...event } = JSON.parse(data);
    if (event.event === "connected") {
      failures = 0;
      if (last !== "") console.log(offset === last ? "goes on" : "begins anew");
    }
    last = offset ?? last; // a pong has none
    console.log(offset, JSON.stringify(event));
  };
  socket.onclose = ({ code, reason }) => {
    clearInterval(pings);
    if (code === 1000 || code === 1008) {
      console.log("stays away:", code, reason);
      return;
    }
    // Not all at once: a whole class may have lost its replica. One that goes in order (1012) has others at hand.
    const wait = Math.min(1_000 * 2 ** failures++, 5_000);
    setTimeout(connect, wait * (code === 1012 ? Math.random() : 0.5 + Math.random()));
  };
  socket.onerror = () => {}; // onclose follows
}
connect();
