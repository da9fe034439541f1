import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t from "tap";
import { WebSocket } from "ws";
import { ROLES } from "@inthon/emitter/protocol";
import { CLIENT_KINDS, join, socketIo, type ClientKind } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { SESSION_ENDED } from "../helpers/samples/contract.js";
import { ENVIRONMENTS, post } from "../helpers/processes/environments.js";

/** Of those that are no Socket.IO clients. */
const HOW_IT_ENDS: Partial<Record<ClientKind, unknown>> = { plain: 1000, "event-stream": "ended" };

for (const { name, start } of ENVIRONMENTS) {
  void t.test(`the end of a session, with ${name}`, async (t) => {
    const environment = await start();
    t.teardown(() => environment.stop());
    const { urls, emitter } = environment;

    for (const by of ["the emitter", "HTTP"]) {
      await t.test(`by ${by}, everybody gets it last and is closed`, async (t) => {
        const session = randomUUID();
        const other = randomUUID();
        const kinds = urls.flatMap((url) =>
          CLIENT_KINDS.flatMap((kind) => ROLES.map((role) => ({ url, kind, role }))),
        );
        const ending = await Promise.all(kinds.map((at) => join({ ...at, session })));
        const staying = await Promise.all(kinds.map((at) => join({ ...at, session: other })));
        t.teardown(() => Promise.all([...ending, ...staying].map((client) => client.close())));

        // Right behind one another: what follows the end must not overtake or follow it.
        const question = { event: "question_like_update", question_id: 1, like_count: 2 } as const;
        const events = [question, { event: "session_ended" } as const, question];
        if (by === "HTTP") t.equal((await post(urls[0] ?? "", session, events)).status, 202);
        else await emitter.emitAll(session, events);

        for (const client of ending) {
          const what = `${client.kind} ${client.role}`;
          t.equal(await client.closed, HOW_IT_ENDS[client.kind] ?? "io server disconnect", what);
          const seen = client.inbox.items.map(({ json }) => json);
          t.equal(seen.at(-1), SESSION_ENDED.json, what);
          t.equal(seen.at(-2), JSON.stringify(question), what);
        }

        await emitter.emit(other, "question_like_update", { question_id: 3, like_count: 4 });
        for (const client of staying) {
          await client.inbox.next(({ object }) => object["question_id"] === 3);
          const stray = client.inbox.items.filter(({ event }) => event === "session_ended");
          t.strictSame(stray, [], `${client.kind} ${client.role} of another session stays`);
        }
      });
    }

    await t.test("its id may be used again; who was away is told of the end first", async (t) => {
      const session = randomUUID();
      const url = urls.at(-1) ?? "";
      const enter = async (offset: string) => {
        const inbox = new Inbox<Record<string, unknown>>();
        const at = `/ws/session/${session}/student/?offset=${offset}`;
        const socket = new WebSocket(`${url.replace("http", "ws")}${at}`);
        t.teardown(() => {
          socket.terminate();
        });
        socket.on("message", (data) => {
          inbox.add(JSON.parse((data as Buffer).toString()) as Record<string, unknown>);
        });
        const closed = once(socket, "close").then(([code]) => code as number);
        const connected = await inbox.next(({ event }) => event === "connected");
        return { socket, inbox, closed, offset: String(connected["offset"]) };
      };
      const before = await enter("");
      before.socket.terminate();
      await emitter.emit(session, "session_ended");

      const anew = await enter("");
      await emitter.emit(session, "question_like_update", { question_id: 1, like_count: 2 });
      await anew.inbox.next(({ event }) => event === "question_like_update");
      const away = await enter(before.offset);
      t.equal(await away.closed, 1000);
      t.strictSame(
        away.inbox.items.map(({ event }) => event),
        ["connected", "session_ended"],
      );
      t.equal(anew.socket.readyState, WebSocket.OPEN, "nobody else is sent away");
    });

    await t.test("the stock client does not come back by itself", async (t) => {
      const session = randomUUID();
      const socket = socketIo({ url: urls[0] ?? "", session, role: "student", kind: "websocket" });
      t.teardown(() => socket.close());
      await new Promise<void>((resolve) =>
        socket.once("connected", () => {
          resolve();
        }),
      );
      const closed = new Promise<string>((resolve) => socket.once("disconnect", resolve));
      let attempts = 0;
      socket.io.on("reconnect_attempt", () => attempts++);
      await emitter.emit(session, "session_ended");
      t.equal(await closed, "io server disconnect");
      t.equal(socket.active, false, "Socket.IO's own word for: will not reconnect");
      t.equal(attempts, 0);
    });
  });
}
