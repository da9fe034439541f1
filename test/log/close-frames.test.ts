/** A close frame says why, in the word that the log has for it: for either kind of WebSocket. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t from "tap";
import { WebSocket } from "ws";
import { fetchDocument } from "../documents/helpers/documents.js";
import { nowS, sign, withSecret } from "../gate/helpers/issuers.js";
import { eventually } from "../helpers/eventually.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";

// Each has all that it needs to itself, and waits most of the time.
t.jobs = 2;

const KEY = "a-key-of-a-service";
const KINDS = { plain: "", "Socket.IO": "?EIO=4&transport=websocket" };
const { signing, env } = await withSecret();

/** All ends that the document has by which clients are written, as `code word`. */
async function documentedBy({ url }: ServerProcess): Promise<readonly string[]> {
  const codes = (await fetchDocument(url, "asyncapi"))["x-close-codes"] as readonly {
    readonly code: number;
    readonly reasons: readonly { readonly reason: string }[];
  }[];
  return codes.flatMap(({ code, reasons }) =>
    reasons.map(({ reason }) => `${String(code)} ${reason}`),
  );
}

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
    const documented = await documentedBy(server);
    const ends = async ({ closed }: Awaited<ReturnType<typeof join>>, how: string) => {
      t.equal((await closed).join(" "), how);
      t.ok(documented.includes(how), `${how} is in the document`);
    };
    const expiring = await join(server, randomUUID(), query, 0);
    await ends(expiring, "4401 token_expired");

    const long = await join(server, randomUUID(), query);
    long.socket.send("x".repeat(5_000));
    await ends(long, "1009 too_large");

    const over = randomUUID();
    const pupil = await join(server, over, query);
    await fetch(`${server.url}/sessions/${over}/events`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ event: "session_ended" }),
    });
    await ends(pupil, "1000 session_ended");

    const flood = await join(server, randomUUID(), query);
    for (let i = 0; i < 400; i++) flood.socket.send("x");
    await ends(flood, "1008 too_many_messages");
    // The log says more, as soon as the turn in which it was closed is over.
    const why = '"why":"it sent more messages than MESSAGES_PER_S';
    await eventually(() => Promise.resolve(server.output().includes(why)));

    const last = await join(server, randomUUID(), query);
    await server.stop();
    await ends(last, "1012 draining");
  });
}

void t.test(
  "who cannot be let in, as Redis is away, is told so by a word of the document",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const server = await startServer({ env: { REDIS_URL: redis.url } });
    t.teardown(() => server.stop());
    const documented = await documentedBy(server);
    await redis.stop();
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/ws/session/x/student/`);
    const [code, text] = (await once(socket, "close")) as [number, Buffer];
    const how = `${String(code)} ${String(text)}`;
    t.equal(how, "1012 unavailable");
    t.ok(documented.includes(how), "it is in the document");
  },
);
