import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t from "tap";
import { WebSocket } from "ws";
import { Inbox } from "../helpers/clients/inbox.js";
import { openPolling } from "../helpers/clients/raw-polling.js";
import { post } from "../helpers/processes/environments.js";
import { startServer } from "../helpers/processes/server-process.js";
import { scrapeUntil } from "./helpers/scrape.js";

const ROUNDS = 3;

/** Ways to end as a member while a WebSocket stands by, and the packets that the client sends for it. */
const ENDS = {
  "its client leaves": ["41"],
  "its session ends": [],
};

for (const [how, packets] of Object.entries(ENDS)) {
  void t.test(
    `a connection that upgrades is counted once, also where ${how} meanwhile`,
    async (t) => {
      const server = await startServer({ env: { METRICS_PORT: "0" } });
      t.teardown(() => server.stop());
      const { url } = server;
      for (let round = 1; round <= ROUNDS; round++) {
        const session = randomUUID();
        const path = `/ws/session/${session}/student/`;
        const polling = await openPolling(url, path);
        t.teardown(() => polling.raw.socket.destroy());
        t.equal(await polling.postNow("40"), 200);
        const query = `?EIO=4&transport=websocket&sid=${encodeURIComponent(polling.sid)}`;
        const webSocket = new WebSocket(`${url.replace("http", "ws")}${path}${query}`);
        webSocket.on("error", () => undefined);
        t.teardown(() => {
          webSocket.terminate();
        });
        const frames = new Inbox<string>();
        webSocket.on("message", (data) => {
          frames.add((data as Buffer).toString());
        });
        await once(webSocket, "open");
        webSocket.send("2probe");
        await frames.next((frame) => frame === "3probe");
        for (const packet of packets) t.equal(await polling.postNow(packet), 200);
        if (packets.length === 0) await post(url, session, { event: "session_ended" });
        const isOver = `"session":"${session}".*"msg":"disconnected"`;
        while (!new RegExp(isOver).test(server.output())) {
          await server.waitForLine((line) => line.includes('"disconnected"') || undefined);
        }
        webSocket.send("5");
        // What waits for the client comes by the WebSocket then.
        await Promise.race([frames.next(() => true), once(webSocket, "close")]);
        await scrapeUntil(server, (now) => {
          const left = ["polling", "websocket", "plain"].map((protocol) =>
            now.value("connections", { protocol }),
          );
          return left.join() === "0,0,0";
        });
        webSocket.close();
        await scrapeUntil(server, (now) => now.value("connections") === 0);
      }
    },
  );
}
