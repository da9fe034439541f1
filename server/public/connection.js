// One client connection, over the stock Socket.IO client or a plain WebSocket, behind one small interface:
//
//   close()        leaves for good
//   lose(ms)       cuts the line; the client comes back by itself after about `ms`
//   ping()         resolves with the round trip in milliseconds
//
// `report(state)` is told each change: { phase, reason?, replica?, transport?, resumed? }, where phase is
// "connecting", "connected", "reconnecting" or "disconnected" (stays so until someone connects again).

import { io } from "/socket.io/socket.io.esm.min.js";

// Where the server asks for tokens, the page has them from its own address, behind #, which no server sees:
// #teacher=TOKEN&student=TOKEN, or #token=TOKEN for one view. They are kept in this tab only.
const given = new URLSearchParams(location.hash.slice(1));
for (const role of ["teacher", "student"]) {
  const token = given.get(role) ?? given.get("token");
  if (token) sessionStorage.setItem(`inthon-token-${role}`, token);
}
addEventListener("hashchange", () => location.reload());

/** Close codes after which a client stays away: the end of the lecture, and a refusal. */
const FINAL_CODES = [1000, 1008];
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 5_000;
const PING_TIMEOUT_MS = 5_000;

export function connect({ session, role, transport, report, receive }) {
  const path = `/ws/session/${session}/${role}/`;
  const token = sessionStorage.getItem(`inthon-token-${role}`);
  report({ phase: "connecting" });
  return transport === "plain"
    ? overPlainWebSocket({ path, token, report, receive })
    : overSocketIo({ path, token, polling: transport === "polling", report, receive });
}

function overSocketIo({ path, token, polling, report, receive }) {
  const transports = polling ? ["polling", "websocket"] : ["websocket"];
  const auth = token ? { token } : {};
  const socket = io({ path, auth, transports, forceNew: true });
  const manager = socket.io;
  let connectedBefore = false;

  const connected = (more) => {
    // The server makes Engine.IO's session id `<node id>~<random>`.
    const [replica] = manager.engine.id.split("~");
    report({ phase: "connected", replica, transport: manager.engine.transport.name, ...more });
  };

  socket.on("connect", () => {
    manager.reconnectionDelay(RETRY_MS);
    connected(connectedBefore ? { resumed: socket.recovered } : {});
    connectedBefore = true;
    manager.engine.once("upgrade", () => connected());
  });
  socket.on("disconnect", (reason) =>
    report({ phase: socket.active ? "reconnecting" : "disconnected", reason }),
  );
  socket.on("connect_error", (error) =>
    report({
      phase: socket.active ? "reconnecting" : "disconnected",
      reason: error.data?.code ?? error.message,
    }),
  );
  socket.onAny((name, event, offset) => receive(name, event, offset));

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

function overPlainWebSocket({ path, token, report, receive }) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const pings = [];
  let socket;
  let retry;
  let retryMs = RETRY_MS;
  let left = false;

  // `?offset=` asks for an offset in every frame; with a value, also for what was missed since.
  let offset = "";
  open();

  function open() {
    url.searchParams.set("offset", offset);
    socket = new WebSocket(url, token ? ["bearer", token] : []);
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.event === "connected") {
        // Resuming, `connected` names the offset that was asked for; else where the connection starts anew.
        const resumed = offset === "" ? undefined : frame.offset === offset;
        report({ phase: "connected", replica: "plain WebSocket", transport: "websocket", resumed });
        retryMs = RETRY_MS;
      }
      if (frame.event === "pong") pings.shift()?.();
      offset = frame.offset ?? offset;
      receive(frame.event, frame, frame.offset);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      pings.length = 0;
      // A plain WebSocket leaves under the names that Socket.IO has for it.
      if (left || FINAL_CODES.includes(code)) {
        const by = left ? "io client disconnect" : "io server disconnect";
        return report({ phase: "disconnected", reason: by });
      }
      const why = reason || (code === 1006 ? "connection lost" : `close code ${String(code)}`);
      report({ phase: "reconnecting", reason: why });
      retry = setTimeout(open, retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    });
  }

  return {
    close() {
      left = true;
      clearTimeout(retry);
      if (socket.readyState !== WebSocket.CLOSED) return socket.close(1000);
      report({ phase: "disconnected", reason: "io client disconnect" });
    },
    lose(ms) {
      retryMs = ms;
      socket.close(4000, "line cut");
    },
    ping() {
      const start = performance.now();
      return new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error("no answer")), PING_TIMEOUT_MS);
        pings.push(() => resolve(performance.now() - start));
        socket.send(JSON.stringify({ type: "ping" }));
      });
    },
  };
}
