import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { io } from "socket.io-client";
import t from "tap";
import { WebSocket } from "ws";
import { CLIENT_KINDS, join, socketIo, type Client } from "../helpers/clients/clients.js";
import { ENVIRONMENTS } from "../helpers/processes/environments.js";

for (const { name, start } of ENVIRONMENTS) {
  void t.test(`connecting, with ${name}`, async (t) => {
    const environment = await start();
    t.teardown(() => environment.stop());
    const url = environment.urls[0] ?? "";

    /** What is told to the client then is behind all that it has been told until now. */
    const sayLast = async (client: Client, session: string) => {
      let last = '{"event":"pong"}';
      if (client.kind === "event-stream") {
        last = '{"event":"question_like_update","question_id":1,"like_count":1}';
        const like = { question_id: 1, like_count: 1 };
        await environment.emitter.emit(session, "question_like_update", like);
      } else {
        client.ping();
      }
      await client.inbox.next(({ json }) => json === last);
      return last;
    };

    for (const kind of CLIENT_KINDS) {
      for (const role of ["teacher", "student"] as const) {
        await t.test(`a ${role} by ${kind} is told who it is, first and once`, async (t) => {
          const session = `A-z_0-${randomUUID()}`;
          const client = await join({ url, session, role, kind });
          t.teardown(() => client.close());
          const last = await sayLast(client, session);
          const expected = `{"event":"connected","session_id":"${session}","role":"${role}","teacher_online":false}`;
          const seen = client.inbox.items.map(({ json }) => json);
          // A teacher's own arrival is news for students only.
          t.strictSame(seen, [expected, last]);
        });
      }
    }

    await t.test("both forms of a ping are answered, and acknowledged where asked", async (t) => {
      const socket = socketIo({ url, session: "ping", role: "student", kind: "websocket" });
      t.teardown(() => socket.close());
      const pongs: unknown[] = [];
      socket.on("pong", (event) => pongs.push(event));
      const pong = { event: "pong" } as const;
      const acked = await Promise.all([
        new Promise((resolve) => socket.emit("ping", resolve)),
        new Promise((resolve) => socket.emit("message", { type: "ping" }, resolve)),
      ]);
      t.strictSame(acked, [pong, pong]);
      t.strictSame(pongs, [pong, pong]);
    });

    await t.test("the URL works with and without its trailing slash", async (t) => {
      for (const path of ["/ws/session/slash/student", "/ws/session/slash/student/"]) {
        const plain = new WebSocket(`${url.replace("http", "ws")}${path}`);
        t.teardown(() => {
          plain.terminate();
        });
        const [data] = (await once(plain, "message")) as [Buffer];
        t.match(data.toString(), '"event":"connected"', path);
        for (const transport of ["websocket", "polling"] as const) {
          // `addTrailingSlash: false` makes the stock client ask for the path as it is.
          const socket = io(url, {
            path,
            addTrailingSlash: path.endsWith("/"),
            transports: [transport],
            forceNew: true,
          });
          t.teardown(() => socket.close());
          const [event] = await new Promise<unknown[]>((resolve) => {
            socket.once("connected", (...args: unknown[]) => {
              resolve(args);
            });
          });
          t.match(event, { event: "connected", session_id: "slash" }, `${path} by ${transport}`);
        }
      }
    });

    await t.test("the stock client on its default path says who it is", async (t) => {
      const identity = { session_id: "default-path", role: "student" };
      for (const options of [{ auth: identity }, { query: identity }]) {
        for (const transport of ["websocket", "polling"] as const) {
          const socket = io(url, { ...options, transports: [transport], forceNew: true });
          t.teardown(() => socket.close());
          const received = new Promise((resolve) => socket.once("important", resolve));
          await new Promise<void>((resolve) =>
            socket.once("connected", () => {
              resolve();
            }),
          );
          await environment.emitter.emit("default-path", "important", {
            note: "hi",
            capture_url: null,
          });
          t.match(await received, { event: "important", note: "hi" }, transport);
        }
      }
    });

    await t.test("a client that was refused may try again with a better answer", async (t) => {
      const socket = io(url, { auth: { session_id: "again", role: "nobody" }, forceNew: true });
      t.teardown(() => socket.close());
      await new Promise<void>((resolve) => {
        socket.once("connect_error", () => {
          resolve();
        });
      });
      socket.auth = { session_id: "again", role: "student" };
      socket.connect();
      const event = await new Promise((resolve) => socket.once("connected", resolve));
      t.match(event, { session_id: "again", role: "student" });
    });

    await t.test("a namespace other than / does not exist", async (t) => {
      const socket = io(`${url}/admin`, { path: "/ws/session/x/student/", forceNew: true });
      t.teardown(() => socket.close());
      const [error] = await new Promise<[Error]>((resolve) => {
        socket.once("connect_error", (...args) => {
          resolve(args);
        });
      });
      t.equal(error.message, "Invalid namespace");
    });

    await t.test("/healthz and /readyz say that it lives and can serve", async (t) => {
      for (const path of ["/healthz", "/readyz"]) {
        const response = await fetch(`${url}${path}`);
        t.equal(response.status, 200, path);
      }
    });
  });
}
