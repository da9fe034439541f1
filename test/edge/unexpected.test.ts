/** An error that nobody expected, and that nobody else would catch. */
import { randomUUID } from "node:crypto";
import t from "tap";
import { connect } from "@inthon/emitter";
import { WaitingList } from "../../server/dist/edge/intake/waiting-list.js";
import { Heartbeat, type Beating } from "../../server/dist/edge/wire/heartbeat.js";
import { dropper, guard } from "../../server/dist/edge/guard.js";
import { createLogger } from "../../server/dist/telemetry/log.js";
import { join, type ClientKind } from "../helpers/clients/clients.js";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { eventually } from "../helpers/eventually.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";

const unexpected = new Error("nobody expected this");
const drop = dropper(createLogger("silent", "test"));

const target = (transport: string) =>
  `/ws/session/${randomUUID()}/student/?EIO=4&transport=${transport}`;

for (const [transport, head] of [
  ["polling", (path: string) => requestHead("GET", path, [])],
  ["websocket", upgradeHead],
] as const) {
  void t.test(`in a handshake by ${transport} it costs the connection alone`, async (t) => {
    const { url, engineIo } = await startInProcess(t);
    engineIo.on("connection", () => {
      throw unexpected;
    });
    const client = await RawBytes.open(url);
    t.teardown(() => client.socket.destroy());
    client.send(head(target(transport)));
    await client.ended();
    t.equal((await fetch(`${url}/healthz`)).status, 200, "the server lives");
  });
}

void t.test("in a listener it costs the connection, in whatever state that is", (t) => {
  let destroyed = 0;
  const destroy = () => {
    destroyed++;
    throw unexpected;
  };
  guard(
    drop,
    (of: { destroy: () => void }) => of,
    () => {
      throw unexpected;
    },
  )({ destroy });
  t.equal(destroyed, 1);
  t.end();
});

void t.test("in a beat it costs the one that is called upon", async (t) => {
  const dropped: unknown[] = [];
  const heartbeat = new Heartbeat<Beating & { readonly name: number }>(64, (_error, { name }) =>
    dropped.push(name),
  );
  t.teardown(() => {
    heartbeat.close();
  });
  const beaten: number[] = [];
  for (const name of [0, 1, 2]) {
    const beat = () => {
      beaten.push(name);
      if (name === 1) throw unexpected;
    };
    heartbeat.add({ name, beat });
  }
  await eventually(() => Promise.resolve(beaten.length >= 7));
  t.strictSame(beaten.slice(0, 7), [0, 1, 2, 0, 2, 0, 2]);
  t.strictSame(dropped, [1], "and it is called upon no more");
});

void t.test("in the turn of one who waits it costs that one", async (t) => {
  const waiting = new WaitingList(drop);
  t.teardown(() => {
    waiting.close();
  });
  const called: number[] = [];
  const destroyed: number[] = [];
  for (const name of [0, 1, 2]) {
    const waitsUntil = () => {
      called.push(name);
      if (name === 1) throw unexpected;
      return undefined;
    };
    waiting.add({ waitsUntil, destroy: () => destroyed.push(name) }, 0);
  }
  await eventually(() => Promise.resolve(called.length === 3));
  t.strictSame(called, [0, 1, 2]);
  t.strictSame(destroyed, [1]);
});

for (const kind of ["plain", "websocket", "polling", "event-stream"] satisfies ClientKind[]) {
  void t.test(`${kind}: in telling one of a room it costs that one`, async (t) => {
    const app = await startInProcess(t);
    const { url } = app;
    const session = randomUUID();
    const clients = [];
    for (let i = 0; i < 3; i++) {
      const client = await join({ url, session, role: "student", kind });
      t.teardown(() => client.close());
      await client.connected;
      clients.push(client);
    }
    app.sockets()[1]?.onAnyOutgoing(() => {
      throw unexpected;
    });
    const emitter = await connect(url);
    t.teardown(() => emitter.close());
    await emitter.emit(session, "important", { note: "a", capture_url: null });
    const [first, second, third] = clients;
    const isTold = ({ object }: { object: Record<string, unknown> }) => object["note"] === "a";
    await Promise.all([first?.inbox.next(isTold), third?.inbox.next(isTold)]);
    await second?.closed;
    t.equal(app.sockets().length, 2);
  });
}
