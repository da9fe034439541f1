// The stock server, as Socket.IO's documents have it, with an answer for probes and for who asks over HTTP. It ends as
// Node.js does by itself at SIGTERM.
import console from "node:console";
import { createServer } from "node:http";
import process from "node:process";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { HOST, PORT, REDIS_URL } = process.env;
const pubClient = createClient({ url: REDIS_URL });
const subClient = pubClient.duplicate();
await Promise.all([pubClient.connect(), subClient.connect()]);

const httpServer = createServer((request, response) => {
  if (request.url?.startsWith("/socket.io/") !== true) response.end("ok");
});
const io = new Server(httpServer, { adapter: createAdapter(pubClient, subClient) });
io.on("connection", (socket) => {
  socket.join(socket.handshake.query.room);
  socket.emit("connected");
});

httpServer.listen(Number(PORT), HOST, () => {
  console.log(JSON.stringify({ msg: "listening", url: `http://${HOST}:${PORT}` }));
});
