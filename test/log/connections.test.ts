import { once } from "node:events";
import t from "tap";
import { connect } from "@inthon/emitter";
import { WebSocket } from "ws";
import { socketIo } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { startCluster } from "../helpers/processes/cluster.js";

interface Line {
  readonly msg: string;
  readonly session?: string;
  readonly protocol?: string;
  readonly address?: string;
  readonly role?: string;
  readonly reason?: string;
  readonly ms?: number;
  readonly from?: string;
  readonly to?: string;
}

const SECRET = "a-secret-of-a-client";
const CLIENT = "203.0.113.7";
const NOTE = "what was told";

void t.test("each connection is logged when it starts and when it ends, and why", async (t) => {
  const lines = new Inbox<Line>();
  const cluster = await startCluster({
    replicas: 1,
    env: { PING_INTERVAL_MS: "300", PING_TIMEOUT_MS: "300", TRUST_PROXY: "1" },
    onLine: (_node, text) => {
      lines.add(JSON.parse(text) as Line);
    },
  });
  t.teardown(() => cluster.stop());
  const [replica] = cluster.replicas;
  if (!replica) throw new Error("no replica");
  const { url } = replica;
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const plain = async (session: string, options = {}) => {
    const target = `${url.replace("http", "ws")}/ws/session/${session}/student/?x=${SECRET}`;
    const socket = new WebSocket(target, options);
    t.teardown(() => {
      socket.terminate();
    });
    await once(socket, "message");
    return socket;
  };
  const stock = async (session: string, kind: "websocket" | "polling") => {
    const socket = socketIo({ url, session, role: "student", kind });
    t.teardown(() => {
      socket.close();
    });
    await new Promise<void>((resolve) =>
      socket.once("connected", () => {
        resolve();
      }),
    );
    return socket;
  };
  const line = (msg: string, session: string) =>
    lines.next((one) => one.msg === msg && one.session === session);

  const left = await stock("left", "websocket");
  const started = { role: "student", protocol: "websocket", address: "127.0.0.1" };
  t.match(await line("connected", "left"), started);
  const told = await emitter.emit("left", "important", { note: NOTE, capture_url: null });
  await new Promise<void>((resolve) =>
    left.once("important", () => {
      resolve();
    }),
  );
  left.close();
  const end = await line("disconnected", "left");
  t.match(end, { reason: "client_left", protocol: "websocket", to: told.offsets.student });
  t.match(end.from, /-0$/);
  t.type(end.ms, "number");

  const polling = await stock("polling", "polling");
  t.match(await line("connected", "polling"), { protocol: "polling" });
  polling.close();
  t.match(await line("disconnected", "polling"), { protocol: "polling" });

  const gone = await plain("gone", { headers: { "x-forwarded-for": CLIENT } });
  t.match(await line("connected", "gone"), { protocol: "plain", address: CLIENT });
  gone.terminate();
  t.match(await line("disconnected", "gone"), { reason: "transport_closed" });

  await plain("silent", { autoPong: false });
  t.match(await line("disconnected", "silent"), { reason: "ping_timeout" });

  await plain("over");
  await stock("over", "websocket");
  await emitter.emit("over", "session_ended");
  await lines.until(
    (all) => all.filter((one) => one.msg === "disconnected" && one.session === "over").length === 2,
  );
  t.ok(
    lines.items
      .filter((one) => one.session === "over")
      .every((one) => one.reason === undefined || one.reason === "session_ended"),
  );

  await plain("last");
  await replica.stop();
  t.match(await line("disconnected", "last"), { reason: "draining" });
  const all = JSON.stringify(lines.items);
  t.notMatch(all, SECRET);
  t.notMatch(all, NOTE);
});
