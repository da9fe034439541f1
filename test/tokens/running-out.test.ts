import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t from "tap";
import { WebSocket } from "ws";
import { connect } from "@inthon/emitter";
import { SOCKET_IO_KINDS, socketIo } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { eventually } from "../helpers/eventually.js";
import { byHttp, DOORS } from "../gate/helpers/doors.js";
import { happens } from "../gate/helpers/happens.js";
import { nowS, sign, withSecret } from "../gate/helpers/issuers.js";
import { startWatched, STORES } from "../gate/helpers/traces.js";

const PUBLISH_KEY = "the-key-of-a-service";
/** A token is good for so long, and for the tolerance of 3 s. */
const GOOD_FOR_S = 2;
const TOLERANCE_S = 3;
const AT_A_TIME = 6;
const note = (text: string) => ({ note: text, capture_url: null });

for (const store of STORES) {
  void t.test(`a token that runs out, in ${store}`, async (t) => {
    t.jobs = AT_A_TIME;
    const { signing, env } = await withSecret();
    const app = await startWatched(t, store, { ...env, PUBLISH_KEYS: PUBLISH_KEY });
    const { url } = app;
    const emitter = await connect(url, { key: PUBLISH_KEY });
    t.teardown(() => emitter.close());
    const role = "student";
    const tokenFor = (session_id: string, goodForS: number) =>
      sign(signing, { session_id, role, exp: nowS() + goodForS });

    for (const kind of SOCKET_IO_KINDS) {
      void t.test(`ends a connection by ${kind}, which resumes with a fresh one`, async (t) => {
        const session = randomUUID();
        const heard = new Inbox<string>();
        const tokens = [await tokenFor(session, GOOD_FOR_S), await tokenFor(session, 600)];
        const endS = nowS() + GOOD_FOR_S + TOLERANCE_S;
        const socket = socketIo(
          { url, session, role, kind },
          {
            // As the README shows it: asked for anew at each attempt.
            auth: (give) => {
              give({ token: tokens.shift() });
            },
          },
        );
        t.teardown(() => socket.close());
        socket.on("important", (event) => {
          heard.add(event.note);
        });
        await happens(socket, "connected");
        const disconnected = happens(socket, "disconnect");
        await emitter.emit(session, "important", note("before"));
        await heard.next((text) => text === "before");
        const [reason] = (await disconnected) as [string];
        const lateS = Date.now() / 1_000 - endS;
        t.ok(lateS > -1 && lateS < 2, `to a second or so: ${lateS.toFixed(1)} s`);
        t.match(reason, /^transport/, "so the stock client comes back by itself");
        await emitter.emit(session, "important", note("meanwhile"));
        await heard.next((text) => text === "meanwhile");
        t.equal(socket.recovered, true);
        t.strictSame(heard.items, ["before", "meanwhile"], "nothing is lost, nothing is doubled");
      });
    }

    void t.test("keeps the stock client out until it has a fresh one", async (t) => {
      const session = randomUUID();
      let token = await tokenFor(session, GOOD_FOR_S);
      const heard = new Inbox<string>();
      const socket = socketIo(
        { url, session, role, kind: "websocket" },
        {
          auth: (give) => {
            give({ token });
          },
        },
      );
      t.teardown(() => socket.close());
      socket.on("important", (event) => {
        heard.add(event.note);
      });
      await happens(socket, "connected");
      await emitter.emit(session, "important", note("before"));
      const [error] = (await happens(socket, "connect_error")) as [Error & { data: unknown }];
      t.match(error, { data: { code: "token_expired" }, message: /fresh one/ });
      t.equal(socket.active, false, "it does not try again by itself");
      await eventually(async () => (await app.tracesOf(session)).every(isHistory));
      await emitter.emit(session, "important", note("meanwhile"));
      token = await tokenFor(session, 600);
      socket.connect();
      await heard.next((text) => text === "meanwhile");
      t.equal(socket.recovered, true);
    });

    void t.test("ends a plain WebSocket with 4401, which resumes with a fresh one", async (t) => {
      const session = randomUUID();
      const open = (token: string, offset: string) => {
        const target = `${url.replace("http", "ws")}/ws/session/${session}/${role}/?offset=${offset}`;
        const socket = new WebSocket(target, ["bearer", token]);
        t.teardown(() => {
          socket.terminate();
        });
        const frames = new Inbox<Readonly<Record<string, string>>>();
        socket.on("message", (data) => {
          frames.add(JSON.parse((data as Buffer).toString()) as Record<string, string>);
        });
        return { socket, frames };
      };
      const old = await tokenFor(session, GOOD_FOR_S);
      const { socket, frames } = open(old, "");
      const { offset = "" } = await frames.next();
      const [code] = (await once(socket, "close")) as [number];
      t.equal(code, 4401);
      await emitter.emit(session, "important", note("meanwhile"));
      const door = DOORS["plain WebSocket, by subprotocol"];
      t.match(await door?.({ url, session, role, token: old }), {
        status: 401,
        code: "token_expired",
        text: /fresh one/,
      });
      const back = open(await tokenFor(session, 600), offset);
      await back.frames.next(({ note }) => note === "meanwhile");
      t.equal(back.frames.items[0]?.["offset"], offset, "it goes on where it was");
    });

    void t.test("takes the teacher away from the students", async () => {
      const session = randomUUID();
      const watching = socketIo(
        { url, session, role, kind: "websocket" },
        { auth: { token: await tokenFor(session, 600) } },
      );
      const presence = new Inbox<boolean>();
      watching.on("teacher_presence", ({ is_online }) => {
        presence.add(is_online);
      });
      await happens(watching, "connected");
      const exp = nowS() + GOOD_FOR_S;
      const token = await sign(signing, { session_id: session, role: "teacher", exp });
      const teacher = socketIo(
        { url, session, role: "teacher", kind: "websocket" },
        { auth: { token } },
      );
      await presence.next((isOnline) => !isOnline);
      t.strictSame(presence.items, [true, false]);
      teacher.close();
      watching.close();
      const headers = { authorization: `Bearer ${PUBLISH_KEY}` };
      t.match(await byHttp(`${url}/sessions/${session}`, { headers }), { code: "in" });
    });
  });
}

function isHistory(trace: string): boolean {
  return !/^(socket |session_)/.test(trace);
}
