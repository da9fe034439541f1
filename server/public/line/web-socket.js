// A plain WebSocket: one JSON object in each frame, resumed by `?offset=`.

import { nameConnection } from "./cluster-door.js";

/** Close codes after which a client stays away: the end of the lecture, and a refusal. */
const FINAL_CODES = [1000, 1008];
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 5_000;
const PING_TIMEOUT_MS = 5_000;

export function overWebSocket({ path, token, report, receive }) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const replica = nameConnection(url);
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
        report({ phase: "connected", transport: "websocket", replica: replica(), resumed });
        retryMs = RETRY_MS;
      }
      if (frame.event === "pong") pings.shift()?.();
      offset = frame.offset ?? offset;
      receive({ name: frame.event, event: frame, offset: frame.offset });
    });
    socket.addEventListener("close", ({ code, reason }) => {
      pings.length = 0;
      // A plain WebSocket leaves under the names that Socket.IO has for it.
      if (left || FINAL_CODES.includes(code)) {
        const by = left ? "io client disconnect" : "io server disconnect";
        return report({ phase: "disconnected", reason: code === 1008 && reason ? reason : by });
      }
      report({ phase: "reconnecting", reason: reason || `close code ${String(code)}` });
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
