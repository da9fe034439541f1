/** An error that nobody expected, where Engine.IO awaits nothing. */
import { randomUUID } from "node:crypto";
import t from "tap";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";

const target = (transport: string) =>
  `/ws/session/${randomUUID()}/student/?EIO=4&transport=${transport}`;

for (const [transport, head] of [
  ["polling", (path: string) => requestHead("GET", path, [])],
  ["websocket", upgradeHead],
] as const) {
  void t.test(`in a handshake by ${transport} it costs the connection alone`, async (t) => {
    const { url, engineIo } = await startInProcess(t);
    engineIo.on("connection", () => {
      throw new Error("nobody expected this");
    });
    const client = await RawBytes.open(url);
    t.teardown(() => client.socket.destroy());
    client.send(head(target(transport)));
    await client.ended();
    t.equal((await fetch(`${url}/healthz`)).status, 200, "the server lives");
  });
}
