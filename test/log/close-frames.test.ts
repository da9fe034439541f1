/** A close frame says why, in the word that the log has for it: for either kind of WebSocket. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t from "tap";
import { WebSocket } from "ws";
import { nowS, sign, withSecret } from "../gate/helpers/issuers.js";
import { eventually } from "../helpers/eventually.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const KEY = "a-key-of-a-service";
const KINDS = { plain: "", "Socket.IO": "?EIO=4&transport=websocket" };
const { signing, env } = await withSecret();

/** A student who has been let in; and the code and the text of its close frame. */
async function join({ url }: ServerProcess, session: string, query: string, goodForS = 600) {
  const claims = { session_id: session, role: "student", exp: nowS() + goodForS };
  const token = await sign(signing, claims);
  const target = `${url.replace("http", "ws")}/ws/session/${session}/student/${query}`;
  const socket = new WebSocket(target, { headers: { authorization: `Bearer ${token}` } });
  t.teardown(() => {
    socket.terminate();
  });
  const closed = once(socket, "close").then(([code, text]) => [code as number, String(text)]);
  await new Promise<void>((resolve) => {
    socket.on("message", (data) => {
      const frame = (data as Buffer).toString();
      if (frame.startsWith("0{")) socket.send(`40${JSON.stringify({ token })}`);
      if (frame.includes('"connected"')) resolve();
    });
  });
  return { socket, closed };
}

for (const [kind, query] of Object.entries(KINDS)) {
  void t.test(`${kind}: each end has its code and its word`, async (t) => {
    const server = await startServer({ env: { ...env, PUBLISH_KEYS: KEY } });
    t.teardown(() => server.stop());
    const expiring = await join(server, randomUUID(), query, 0);
    t.same(await expiring.closed, [4401, "token_expired"]);

    const long = await join(server, randomUUID(), query);
    long.socket.send("x".repeat(5_000));
    t.same(await long.closed, [1009, "too_large"]);

    const over = randomUUID();
    const pupil = await join(server, over, query);
    await fetch(`${server.url}/sessions/${over}/events`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ event: "session_ended" }),
    });
    t.same(await pupil.closed, [1000, "session_ended"]);

    const flood = await join(server, randomUUID(), query);
    for (let i = 0; i < 400; i++) flood.socket.send("x");
    t.same(await flood.closed, [1008, "too_many_messages"]);
    // The log says more, as soon as the turn in which it was closed is over.
    const why = '"why":"it sent more messages than MESSAGES_PER_S';
    await eventually(() => Promise.resolve(server.output().includes(why)));

    const last = await join(server, randomUUID(), query);
    await server.stop();
    t.same(await last.closed, [1012, "draining"]);
  });
}
