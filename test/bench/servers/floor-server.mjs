// The least that a delivery can cost in Node.js: one `write` of a ready frame to each connection for each message of
// Redis, and nothing else. No ping, no room, no check of whether a connection keeps up.
import { Buffer } from "node:buffer";
import console from "node:console";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import process from "node:process";
import { createClient } from "redis";

// RFC 6455, section 1.3.
const HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CHANNEL = "floor";

const { HOST, PORT, REDIS_URL } = process.env;
const sockets = new Set();
const subscriber = createClient({ url: REDIS_URL });
await subscriber.connect();
await subscriber.subscribe(CHANNEL, broadcast, true);

const server = createServer();
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"];
  const accept = createHash("sha1").update(`${key}${HANDSHAKE_GUID}`).digest("base64");
  socket.on("error", () => socket.destroy());
  socket.once("close", () => sockets.delete(socket));
  socket.setNoDelay(true).resume();
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  sockets.add(socket);
});

function broadcast(message) {
  const frame = toTextFrame(message);
  for (const socket of sockets) socket.write(frame);
}

/** RFC 6455, section 5.2: a final, unmasked text frame of up to 65,535 bytes. */
function toTextFrame(payload) {
  const header =
    payload.length < 126
      ? [0x81, payload.length]
      : [0x81, 126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from(header), payload]);
}

server.listen(Number(PORT), HOST, () => {
  console.log(JSON.stringify({ msg: "listening", url: `http://${HOST}:${PORT}` }));
});
