import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect as connectSocket } from "node:net";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { connect, type Emitter } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startServer, type ServerProcess } from "../helpers/processes/server-process.js";

/** Only this limit is looked at here. */
const ENV = {
  MAX_UNREAD_BYTES: "65536",
  MESSAGES_PER_S: "10000",
  MESSAGES_BURST: "100000",
  PING_INTERVAL_MS: "300000",
  PING_TIMEOUT_MS: "300000",
  TRUST_PROXY: "1",
};
/** Far more than the kernel takes of a connection that nobody reads. */
const MUCH = 400;
/** Whom a proxy names. */
const CLIENT = "203.0.113.7";
const PATIENCE_MS = 20_000;
/** A control frame holds no more (RFC 6455, section 5.5). */
const LONG_PING = "x".repeat(125);

interface World {
  readonly server: ServerProcess;
  readonly session: string;
  readonly emitter: Emitter;
  /** Resolves with what the log says of the next connection that is cut. */
  cut(): Promise<Record<string, unknown>>;
}

async function start(t: Test, env: Readonly<Record<string, string>> = {}): Promise<World> {
  const server = await startServer({ env: { ...ENV, ...env } });
  t.teardown(() => server.stop());
  const emitter = await connect(server.url);
  t.teardown(() => emitter.close());
  const line = (msg: string) =>
    server.waitForLine((text) =>
      text.includes(`"msg":"${msg}"`) ? (JSON.parse(text) as Record<string, unknown>) : undefined,
    );
  /** What the log says of the one who is cut, and of its end. */
  const cut = async () => {
    const [refused, ended] = await Promise.all([line("refused"), line("disconnected")]);
    const isSame = refused["connection"] === ended["connection"];
    return { ...refused, reason: ended["reason"], isSame };
  };
  return { server, session: randomUUID(), emitter, cut };
}

/** A WebSocket of either kind that has joined, and then reads nothing any more. */
async function deaf({ server, session }: World, query: string): Promise<WebSocket> {
  const url = `${server.url.replace("http", "ws")}/ws/session/${session}/student/${query}`;
  const headers = { "x-forwarded-for": CLIENT };
  const socket = new WebSocket(url, { perMessageDeflate: false, headers });
  socket.on("error", () => undefined);
  const connected = new Promise<void>((resolve) => {
    socket.on("message", (data) => {
      const frame = (data as Buffer).toString();
      if (frame.startsWith("0{")) socket.send("40");
      if (frame.includes('"connected"')) resolve();
    });
  });
  await connected;
  socket.pause();
  return socket;
}

async function publishMuch({ emitter, session }: World, count = MUCH): Promise<void> {
  for (let i = 0; i < count; i += 10) {
    const note = "n".repeat(60_000);
    const event = { event: "important" as const, note, capture_url: null };
    await emitter.emitAll(
      session,
      Array.from({ length: 10 }, () => event),
    );
  }
}

const SLOW = { code: "slow_reader", reason: "slow_reader", isSame: true };

for (const [kind, protocol, query] of [
  ["Socket.IO", "websocket", "?EIO=4&transport=websocket"],
  ["plain", "plain", ""],
] as const) {
  void t.test(
    `a ${kind} WebSocket that does not read is cut, and nothing is left of it`,
    async (t) => {
      const world = await start(t);
      const socket = await deaf(world, query);
      t.teardown(() => {
        socket.terminate();
      });
      const cut = world.cut();
      await publishMuch(world);
      t.match(await cut, { ...SLOW, protocol, address: CLIENT });
      // Its client never reads so: the kernel answers what it writes to a connection that is gone.
      await eventually(() => {
        socket.ping();
        return Promise.resolve(socket.readyState !== WebSocket.OPEN);
      });
    },
  );

  void t.test(`a ${kind} WebSocket that pings and does not read the answers is cut`, async (t) => {
    const world = await start(t);
    const socket = await deaf(world, query);
    // The `ws` of plain connections ends them by itself, when 60 answers wait.
    const cut = kind === "Socket.IO" ? world.cut() : undefined;
    const closed = once(socket, "close");
    const deadline = Date.now() + PATIENCE_MS;
    while (socket.readyState === WebSocket.OPEN && Date.now() < deadline) {
      for (let i = 0; i < 500; i++) socket.ping(LONG_PING);
      await new Promise((resolve) => {
        socket.ping(LONG_PING, undefined, resolve);
      });
    }
    t.not(socket.readyState, WebSocket.OPEN);
    socket.terminate();
    await closed;
    if (cut) t.match(await cut, { ...SLOW, protocol, address: CLIENT });
  });
}

/** A polling connection, by hand. */
class Poller {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #url: string;
  #sid = "";

  constructor({ server, session }: World) {
    this.#url = `${server.url}/ws/session/${session}/student/?EIO=4&transport=polling`;
  }

  get path(): string {
    const { pathname, search } = new URL(this.#url);
    return `${pathname}${search}&sid=${this.#sid}`;
  }

  async join(): Promise<void> {
    const { body } = await this.#send("GET");
    this.#sid = (JSON.parse(body.slice(1)) as { sid: string }).sid;
    await this.post("40");
    let told = "";
    while (!told.includes('"connected"')) told += (await this.#send("GET")).body;
  }

  /** @returns the status of the answer */
  async post(body: string): Promise<number | undefined> {
    return (await this.#send("POST", body)).status;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(
    method: string,
    body?: string,
  ): Promise<{ status: number | undefined; body: string }> {
    const url = this.#sid === "" ? this.#url : `${this.#url}&sid=${this.#sid}`;
    const sent = request(url, { method, agent: this.#agent });
    sent.end(body);
    const [response] = (await once(sent, "response")) as [
      NodeJS.ReadableStream & { statusCode?: number },
    ];
    let text = "";
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode, body: text };
  }
}

async function poller(t: Test, world: World): Promise<Poller> {
  const polling = new Poller(world);
  t.teardown(() => {
    polling.close();
  });
  await polling.join();
  return polling;
}

void t.test("polling that posts and never polls is cut", async (t) => {
  const world = await start(t);
  const polling = await poller(t, world);
  const pings = Array.from({ length: 100 }, () => '42["ping"]').join("\x1e");
  const cut = world.cut();
  let posts = 0;
  while ((await polling.post(pings)) === 200 && posts < 100) posts++;
  t.ok(posts < 10, `after ${String(posts)} posts of 100 pings it was unknown`);
  t.match(await cut, { ...SLOW, protocol: "polling" });
});

void t.test("a client that polls again and leaves the last answer unread is cut", async (t) => {
  // More than the kernel takes, so that a part of an answer stays behind.
  const world = await start(t, { MAX_UNREAD_BYTES: String(8 * 1024 * 1024) });
  const polling = await poller(t, world);
  const pollAndReadNothing = async () => {
    const socket = connectSocket(world.server.port, "127.0.0.1");
    t.teardown(() => socket.destroy());
    socket.on("error", () => undefined);
    socket.write(`GET ${polling.path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    // It is being answered. Nobody reads on.
    await once(socket, "readable");
  };
  await publishMuch(world, 110);
  await pollAndReadNothing();
  await publishMuch(world, 10);
  const cut = world.cut();
  await pollAndReadNothing();
  t.match(await cut, { ...SLOW, protocol: "polling" });
});

void t.test("who reads is not cut, however much is told", async (t) => {
  const world = await start(t);
  const clients = await Promise.all(
    (["websocket", "plain", "polling", "event-stream"] as const).map((kind) =>
      join({ url: world.server.url, session: world.session, role: "student", kind }),
    ),
  );
  t.teardown(() => Promise.all(clients.map((client) => client.close())));
  for (let i = 1; i <= MUCH; i++) {
    await world.emitter.emit(world.session, "important", {
      note: "n".repeat(8_000),
      capture_url: null,
    });
    if (i % 4 === 0)
      await Promise.all(clients.map(({ inbox }) => inbox.until(({ length }) => length > i)));
  }
  t.notMatch(world.server.output(), /slow_reader/);
});
