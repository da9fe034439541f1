import { randomUUID } from "node:crypto";
import t from "tap";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { startServer } from "../helpers/processes/server-process.js";

/** So many that they are let in over many turns of the event loop. */
const CLIENTS = 1_500;

const PATH = `/ws/session/${randomUUID()}/student/`;
/** Ways to begin, with what is answered to those who are let in. */
const WAYS = {
  "long polling": [requestHead("GET", `${PATH}?EIO=4&transport=polling`, []), "HTTP/1.1 200"],
  "a WebSocket": [upgradeHead(PATH), "HTTP/1.1 101"],
} as const;

for (const [way, [request, welcome]] of Object.entries(WAYS)) {
  void t.test(`nobody is let in by ${way} when it has been said who is sent away`, async (t) => {
    const server = await startServer();
    t.teardown(() => {
      server.kill("SIGKILL");
    });
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const client = await RawBytes.open(server.url);
        t.teardown(() => client.socket.destroy());
        // The server takes up new connections one after the other.
        client.send(requestHead("GET", "/healthz", []));
        await client.until("HTTP/1.1 200");
        return client;
      }),
    );
    server.pause();
    for (const client of clients) client.send(request);
    server.kill("SIGTERM");
    server.resume();
    const answers = await Promise.all(
      clients.map((client) =>
        Promise.any([
          client.until(welcome, welcome.endsWith("200") ? 2 : 1),
          client.until(" 503 "),
        ]),
      ),
    );
    const letIn = answers.filter((text) => !text.includes(" 503 ")).length;
    const sentAway = /"connections":(\d+),"msg":"draining: sending/;
    await eventually(() => Promise.resolve(sentAway.test(server.output())));
    const [, told] = sentAway.exec(server.output()) ?? [];
    t.equal(letIn, Number(told), "who was let in is sent away in its time");
    t.ok(letIn < CLIENTS, "others were told to go elsewhere");
  });
}
