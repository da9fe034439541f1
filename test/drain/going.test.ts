import { randomUUID } from "node:crypto";
import { Agent, request, type IncomingMessage } from "node:http";
import { once } from "node:events";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { CLIENT_KINDS, join, socketIo, type ClientKind } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";

// Replicas take their time to go.
t.setTimeout(180_000);

const KINDS = ["websocket", "polling", "plain", "event-stream"] as const;
/** Of those that are no Socket.IO clients. */
const HOW_THEY_END: Partial<Record<ClientKind, unknown>> = { plain: 1012, "event-stream": "ended" };
const SPREAD_MS = 3_000;
const OF_EACH_KIND = 40;

async function start(t: Test, env: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const server = await startServer({ env });
  t.teardown(() => {
    server.kill("SIGKILL");
  });
  return server;
}

/** Tells a replica to go, and waits until it says so. */
async function drain(server: ServerProcess): Promise<void> {
  server.kill("SIGTERM");
  await eventually(async () => (await fetch(`${server.url}/readyz`)).status === 503);
}

void t.test(
  "a replica that goes is not ready at once, and serves on until the delay is over",
  async (t) => {
    const server = await start(t, { DRAIN_DELAY_MS: "3000" });
    const session = randomUUID();
    const before = await join({ url: server.url, session, role: "student", kind: "plain" });
    await drain(server);
    const answer = await fetch(`${server.url}/readyz`);
    t.match(await answer.json(), { code: "draining", status: 503 });
    t.equal((await fetch(`${server.url}/healthz`)).status, 200, "it lives");
    const late = await Promise.all(
      CLIENT_KINDS.map((kind) => join({ url: server.url, session, role: "student", kind })),
    );
    for (const client of late) t.teardown(() => client.close());
    const published = await post(server.url, session, {
      event: "important",
      note: "still here",
      capture_url: null,
    });
    t.equal(published.status, 202);
    for (const { inbox } of [before, ...late]) {
      await inbox.next(({ object }) => object["note"] === "still here");
    }
    t.equal(await before.closed, 1012);
    t.match(await server.exited, { code: 0, signal: null });
  },
);

void t.test("each answer of a replica that goes is the last one on its connection", async (t) => {
  const server = await start(t, { DRAIN_DELAY_MS: "60000" });
  const session = randomUUID();
  const polling = socketIo({ url: server.url, session, role: "student", kind: "polling" });
  t.teardown(() => polling.close());
  await new Promise((resolve) => polling.once("connected", resolve));
  const agents = Array.from({ length: 20 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const failed: unknown[] = [];
  let isDraining = false;
  const seen = { kept: 0, closed: 0 };
  for (const agent of agents) {
    if ((await get(agent, `${server.url}/healthz`)).headers.connection !== "close") seen.kept++;
  }
  t.equal(seen.kept, agents.length, "until then they are kept");
  const stop = drain(server).then(() => {
    isDraining = true;
  });
  await Promise.all(
    agents.map(async (agent) => {
      for (let after = 0; after < 20;) {
        const wasDraining = isDraining;
        try {
          const { statusCode, headers } = await get(agent, `${server.url}/healthz`);
          t.equal(statusCode, 200);
          if (headers.connection === "close") seen.closed++;
          else if (wasDraining) t.fail("kept");
        } catch (error) {
          failed.push(error);
          return;
        }
        if (wasDraining) after++;
      }
    }),
  );
  await stop;
  for (const agent of agents) agent.destroy();
  t.strictSame(failed, []);
  t.ok(seen.closed >= 400, JSON.stringify(seen));
});

void t.test("connections of every kind end evenly over the spread", async (t) => {
  const server = await start(t, { DRAIN_SPREAD_MS: String(SPREAD_MS) });
  const session = randomUUID();
  const endings: { kind: string; atMs: number; how: unknown }[] = [];
  const all = await Promise.all(
    KINDS.flatMap((kind) =>
      Array.from({ length: OF_EACH_KIND }, async () => {
        const { url } = server;
        if (kind === "plain" || kind === "event-stream") {
          const client = await join({ url, session, role: "student", kind });
          return { kind, closed: client.closed };
        }
        const options = { url, session, role: "student", kind } as const;
        const socket = socketIo(options, { reconnection: false });
        t.teardown(() => socket.close());
        await new Promise((resolve) => socket.once("connected", resolve));
        return {
          kind,
          closed: new Promise((resolve) => socket.once("disconnect", resolve)),
        };
      }),
    ),
  );
  const startedAt = performance.now();
  server.kill("SIGTERM");
  await Promise.all(
    all.map(async ({ kind, closed }) => {
      const how = await closed;
      endings.push({ kind, how, atMs: performance.now() - startedAt });
    }),
  );
  for (const kind of KINDS) {
    const ofKind = endings.filter((ending) => ending.kind === kind);
    t.strictSame(
      [...new Set(ofKind.map(({ how }) => how))],
      [HOW_THEY_END[kind] ?? "transport close"],
    );
    const thirds = [0, 0, 0];
    for (const { atMs } of ofKind) {
      const third = Math.min(2, Math.floor((3 * atMs) / SPREAD_MS));
      thirds[third] = (thirds[third] ?? 0) + 1;
    }
    // Drawn at random, 40 of 120 fall less evenly than this once in a million times.
    t.ok(Math.min(...thirds) >= 3 && Math.max(...thirds) <= 28, `${kind}: ${thirds.join(", ")}`);
  }
  const last = Math.max(...endings.map(({ atMs }) => atMs));
  t.ok(last > 0.9 * SPREAD_MS && last < SPREAD_MS + 2_000, `the last one after ${String(last)} ms`);
  t.match(await server.exited, { code: 0, signal: null });
});

void t.test("whoever comes during the spread is sent to another replica", async (t) => {
  const server = await start(t, { DRAIN_SPREAD_MS: "4000" });
  const session = randomUUID();
  const url = server.url;
  const witnesses = await Promise.all(
    Array.from({ length: 20 }, () => join({ url, session, role: "student", kind: "plain" })),
  );
  server.kill("SIGTERM");
  await Promise.race(witnesses.map(({ closed }) => closed));
  const path = `${url}/ws/session/${session}/student/`;
  const plain = new WebSocket(path.replace("http", "ws"));
  const [, answer] = (await once(plain, "unexpected-response")) as [unknown, IncomingMessage];
  answer.destroy();
  t.match(answer, { statusCode: 503, headers: { "retry-after": "1" } });
  const polling = await fetch(`${path}?EIO=4&transport=polling`);
  t.equal(polling.status, 503);
  t.match(await polling.json(), { code: "unavailable" });
  const published = await post(url, session, { event: "session_ended" });
  t.equal(published.status, 202, "publishing goes on");
  t.match(await server.exited, { code: 0, signal: null });
});

void t.test(
  "a second signal ends a replica at once, and Ctrl-C waits for no balancer",
  async (t) => {
    const env = { DRAIN_DELAY_MS: "600000", DRAIN_SPREAD_MS: "600000" };
    const impatient = await start(t, env);
    await drain(impatient);
    impatient.kill("SIGINT");
    t.match(await impatient.exited, { code: 1, signal: null });

    // npm passes on what a terminal has sent to the replica as well.
    const passedOn = await start(t, env);
    const toldAt = performance.now();
    await drain(passedOn);
    const again = setInterval(() => {
      passedOn.kill("SIGTERM");
    }, 50);
    t.match(await passedOn.exited, { code: 1, signal: null });
    clearInterval(again);
    t.ok(performance.now() - toldAt > 1_000, "the same one is not two if it comes twice at once");

    const developers = await start(t, env);
    developers.kill("SIGINT");
    t.match(await developers.exited, { code: 0, signal: null });
  },
);

async function get(agent: Agent, url: string): Promise<IncomingMessage> {
  const [response] = (await once(request(url, { agent }).end(), "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  return response;
}
