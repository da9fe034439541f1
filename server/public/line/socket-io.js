// The stock Socket.IO client: it resumes by itself.

import { io } from "/socket.io/socket.io.esm.min.js";

const RETRY_MS = 1_000;
const PING_TIMEOUT_MS = 5_000;

export function overSocketIo({ path, token, transports, report, receive }) {
  const auth = token ? { token } : {};
  const socket = io({ path, auth, transports, forceNew: true });
  const manager = socket.io;
  let connectedBefore = false;

  socket.on("connect", () => {
    manager.reconnectionDelay(RETRY_MS);
    // The server makes Engine.IO's session id `<node id>~<random>`.
    const [replica] = manager.engine.id.split("~");
    const resumed = connectedBefore ? socket.recovered : undefined;
    connectedBefore = true;
    report({ phase: "connected", replica, transport: manager.engine.transport.name, resumed });
  });
  const lost = (reason) =>
    report({ phase: socket.active ? "reconnecting" : "disconnected", reason });
  socket.on("disconnect", lost);
  socket.on("connect_error", (error) => lost(error.data?.code ?? error.message));
  socket.onAny((name, event, offset) => receive({ name, event, offset }));

  return {
    close: () => socket.disconnect(),
    lose(ms) {
      manager.reconnectionDelay(ms);
      manager.engine.close();
    },
    async ping() {
      const start = performance.now();
      await socket.timeout(PING_TIMEOUT_MS).emitWithAck("ping");
      return performance.now() - start;
    },
  };
}
