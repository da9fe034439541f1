import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import type { Emitter } from "@inthon/emitter";
import { socketIo, type ClassroomSocket } from "../helpers/clients/clients.js";
import { ENVIRONMENTS } from "../helpers/processes/environments.js";
import { Inbox } from "../helpers/clients/inbox.js";

type Transport = "websocket" | "polling";

for (const { name, start } of ENVIRONMENTS) {
  void t.test(`resuming, with ${name}`, async (t) => {
    const environment = await start();
    t.teardown(() => environment.stop());
    const { urls, emitter } = environment;
    const here = urls[0] ?? "";
    const elsewhere = urls.at(-1) ?? "";

    for (const kind of ["websocket", "polling"] as const) {
      await t.test(
        `the stock client gets what it missed, on another replica (${kind})`,
        async (t) => {
          const session = randomUUID();
          const client = new StockClient(t, here, session, kind);
          await client.isConnected(1);
          await say(emitter, session, "seen");
          await client.heard.next((note) => note === "seen");

          await client.drop(elsewhere, () => say(emitter, session, "missed 1", "missed 2"));
          await say(emitter, session, "live");
          await client.heard.next((note) => note === "live");

          t.equal(client.socket.recovered, true);
          t.strictSame(client.heard.items, [
            "connected",
            "seen",
            "connected",
            "missed 1",
            "missed 2",
            "live",
          ]);
        },
      );

      await t.test(`a client that has heard only connected resumes too (${kind})`, async (t) => {
        const session = randomUUID();
        const client = new StockClient(t, here, session, kind);
        await client.isConnected(1);
        await client.drop(elsewhere, () => say(emitter, session, "missed"));
        await client.heard.next((note) => note === "missed");
        t.equal(client.socket.recovered, true);
        t.strictSame(client.heard.items, ["connected", "connected", "missed"]);
      });
    }

    await t.test("a session that ended meanwhile ends for who comes back", async (t) => {
      const session = randomUUID();
      const client = new StockClient(t, here, session, "websocket");
      await client.isConnected(1);
      const closed = client.closedByServer();
      await client.drop(elsewhere, async () => {
        await say(emitter, session, "missed");
        await emitter.emit(session, "session_ended");
        await say(emitter, session, "after the end");
      });
      await closed;
      t.strictSame(client.heard.items, ["connected", "connected", "missed", "session_ended"]);
    });

    await t.test("a plain client resumes with the offset of the last frame it saw", async (t) => {
      const session = randomUUID();
      const first = new PlainClient(t, here, session, "?offset=");
      await first.frames.next(({ event }) => event === "connected");
      await say(emitter, session, "seen");
      const seen = await first.frames.next(({ note }) => note === "seen");
      first.cut();
      await say(emitter, session, "missed");

      const second = new PlainClient(t, elsewhere, session, `?offset=${String(seen.offset)}`);
      await second.frames.next(({ note }) => note === "missed");
      t.equal(second.frames.items[0]?.offset, seen.offset, "connected tells where it goes on");
      t.strictSame(
        second.frames.items.map(({ event, note }) => note ?? event),
        ["connected", "missed"],
      );

      const third = new PlainClient(t, elsewhere, session, "");
      const connected = await third.frames.next();
      t.equal(connected.offset, undefined, "who does not ask gets the contract's frame alone");
    });

    await t.test("an offset that fits nothing begins anew, and leaks nothing", async (t) => {
      const session = randomUUID();
      const other = randomUUID();
      await say(emitter, other, "secret of another session");
      const { offsets } = await emitter.emit(session, "important", {
        note: "old",
        capture_url: null,
      });
      const { offsets: foreign } = await emitter.emit(other, "important", {
        note: "secret of another session",
        capture_url: null,
      });
      const [epoch = ""] = offsets.student?.split("-") ?? [];
      const offers = {
        "another session's": foreign.student,
        "a future one": `${epoch}-999`,
        "a future epoch": `${String(Number(epoch) + 1_000_000)}-1`,
        "a past epoch": "1-1",
        "a made-up one": "nonsense",
        "a huge one": "9".repeat(40),
        "a negative one": "-1--1",
      };
      let newest: string | undefined = offsets.student;
      for (const [what, offset] of Object.entries(offers)) {
        const plain = new PlainClient(t, here, session, `?offset=${String(offset)}`);
        const connected = await plain.frames.next();
        t.equal(connected.offset, newest, `${what}: it starts at the newest event`);

        const auth = { pid: `${session}.student.${randomUUID()}`, offset };
        const stock = new StockClient(t, here, session, "websocket", auth);
        await stock.isConnected(1);
        t.not(stock.pid, auth.pid, `${what}: the client is told by a new pid`);
        await say(emitter, session, "sentinel");
        await plain.frames.next(({ note }) => note === "sentinel");
        await stock.heard.next((note) => note === "sentinel");
        t.strictSame(stock.heard.items, ["connected", "sentinel"], what);
        t.equal(plain.frames.items.length, 2, what);
        newest = plain.frames.items[1]?.offset;
      }
    });

    await t.test("somebody else's pid begins anew", async (t) => {
      const session = randomUUID();
      const { offsets } = await emitter.emit(session, "important", { note: "", capture_url: null });
      const offset = offsets.student;
      for (const pid of [
        `${randomUUID()}.student.x`,
        `${session}.teacher.x`,
        `${session}x.student.x`,
        "made-up",
        "",
      ]) {
        const stock = new StockClient(t, here, session, "websocket", { pid, offset });
        await stock.isConnected(1);
        t.not(stock.pid, pid);
        t.strictSame(stock.heard.items, ["connected"]);
      }
    });

    await t.test("GET /sessions/:session_id/events reads history", async (t) => {
      const session = randomUUID();
      await say(emitter, session, "1", "2", "3");
      const read = async (query: string) => {
        const response = await fetch(`${elsewhere}/sessions/${session}/events?${query}`);
        return (await response.json()) as {
          head: string;
          complete: boolean;
          events: { offset: string; event: { note: string } }[];
        };
      };
      const all = await read("role=student");
      const notes = ({ events }: typeof all) => events.map(({ event }) => event.note);
      t.strictSame(notes(all), ["1", "2", "3"]);
      t.equal(all.complete, true);
      t.equal(all.events[2]?.offset, all.head);
      const rest = await read(`role=student&after=${all.events[0]?.offset ?? ""}&limit=1`);
      t.strictSame(notes(rest), ["2"]);
      const [epoch = ""] = all.head.split("-");
      const future = await read(`role=student&after=${epoch}-99`);
      t.equal(future.complete, false);
      t.strictSame(notes(await read("role=student")), ["1", "2", "3"], "asking harms no history");
      for (const query of ["", "role=x", "role=student&after=x", "role=student&limit=0"]) {
        const response = await fetch(`${here}/sessions/${session}/events?${query}`);
        t.equal(response.status, 400, query);
      }
    });
  });
}

async function say(emitter: Emitter, session: string, ...notes: string[]): Promise<void> {
  for (const note of notes) await emitter.emit(session, "important", { note, capture_url: null });
}

/** The stock client, which keeps what it needs to resume by itself. */
class StockClient {
  readonly socket: ClassroomSocket;
  /** The note of each important event, else the event's name. */
  readonly heard = new Inbox<string>();

  constructor(t: Test, url: string, session: string, kind: Transport, auth: object = {}) {
    this.socket = socketIo({ url, session, role: "student", kind }, { auth: { ...auth } });
    this.socket.onAny((event: string, payload: { note?: string }) => {
      this.heard.add(payload.note ?? event);
    });
    t.teardown(() => this.socket.close());
  }

  /** The id under which it will come back. */
  get pid(): unknown {
    return (this.socket as unknown as { _pid: unknown })._pid;
  }

  isConnected(times: number): Promise<void> {
    return this.heard.until((all) => all.filter((note) => note === "connected").length === times);
  }

  closedByServer(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.on("disconnect", (reason) => {
        if (reason === "io server disconnect") resolve();
      });
    });
  }

  /** Loses its connection without a word, and comes back at `url` when `meanwhile` is done. */
  async drop(url: string, meanwhile: () => Promise<void>): Promise<void> {
    const { io } = this.socket;
    io.reconnection(false);
    const dropped = new Promise((resolve) => this.socket.once("disconnect", resolve));
    io.engine.close();
    await dropped;
    await meanwhile();
    // Where a load balancer would have sent it.
    (io as unknown as { uri: string }).uri = url;
    this.socket.connect();
    await this.isConnected(2);
  }
}

interface Frame {
  readonly event: string;
  readonly note?: string;
  readonly offset?: string;
}

class PlainClient {
  readonly frames = new Inbox<Frame>();
  readonly #socket: WebSocket;

  constructor(t: Test, url: string, session: string, query: string) {
    this.#socket = new WebSocket(
      `${url.replace("http", "ws")}/ws/session/${session}/student/${query}`,
    );
    this.#socket.on("message", (data) => {
      this.frames.add(JSON.parse((data as Buffer).toString()) as Frame);
    });
    t.teardown(async () => {
      const closed = once(this.#socket, "close");
      if (this.#socket.readyState === WebSocket.CLOSED) return;
      this.#socket.terminate();
      await closed;
    });
  }

  cut(): void {
    this.#socket.terminate();
  }
}
