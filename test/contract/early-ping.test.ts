import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { Inbox } from "../helpers/clients/inbox.js";
import { RawBytes, textFrame, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { ENVIRONMENTS } from "../helpers/processes/environments.js";

const TIMES = 20;
/** No more than may come at once. */
const FLOOD = 40;
const PONG = '{"event":"pong"}';

for (const { name, start } of ENVIRONMENTS) {
  void t.test(`a ping that comes before its answer can, with ${name}`, async (t) => {
    const environment = await start();
    t.teardown(() => environment.stop());
    const [url = ""] = environment.urls;
    const address = () => `/ws/session/${randomUUID()}/student/`;

    await t.test("is answered after connected (plain, sent at open)", async (t) => {
      for (let i = 0; i < TIMES; i++) {
        const frames = pingAtOpen(t, `${url.replace("http", "ws")}${address()}`);
        await frames.until((items) => items.length >= 2);
        t.match(frames.items[0], /^\{"event":"connected"/);
        t.equal(frames.items[1], PONG);
      }
    });

    await t.test("is answered after connected (plain, in the first segment)", async (t) => {
      const raw = await RawBytes.open(url);
      t.teardown(() => raw.socket.destroy());
      raw.send(upgradeHead(address()), textFrame('{"type":"ping"}'));
      const text = await raw.until(PONG);
      t.ok(text.indexOf('{"event":"connected"') < text.indexOf(PONG));
    });

    for (const [form, frame, answer] of [
      ["emit", '42["ping"]', `42["pong",${PONG}]`],
      ["send", '42["message",{"type":"ping"}]', `42["pong",${PONG}]`],
      ["emit with an acknowledgement", '427["ping"]', `437[${PONG}]`],
    ] as const) {
      await t.test(`is answered after connected (Socket.IO, ${form})`, async (t) => {
        for (const frames of [
          ["40", frame],
          [frame, "40"],
        ]) {
          const raw = await RawBytes.open(url);
          t.teardown(() => raw.socket.destroy());
          raw.send(upgradeHead(`${address()}?EIO=4&transport=websocket`));
          await raw.until('"maxPayload"');
          raw.send(...frames.map(textFrame));
          const text = await raw.until(answer);
          t.ok(text.indexOf('42["connected"') < text.indexOf(answer), frames.join());
        }
      });
    }

    await t.test("is kept once, however many there are", async (t) => {
      const raw = await RawBytes.open(url);
      t.teardown(() => raw.socket.destroy());
      raw.send(upgradeHead(`${address()}?EIO=4&transport=websocket`));
      await raw.until('"maxPayload"');
      const flood = Array.from({ length: FLOOD }, () => textFrame('42["ping"]'));
      raw.send(...flood, textFrame("40"));
      await raw.until('42["connected"');
      raw.send(textFrame('429["ping"]'));
      const text = await raw.until(`439[${PONG}]`);
      t.equal(text.split('42["pong"').length - 1, 2, "one for the flood, and one for the last");
    });
  });
}

/** What a plain client gets that pings as soon as it can. */
function pingAtOpen(t: Test, target: string): Inbox<string> {
  const socket = new WebSocket(target);
  t.teardown(() => {
    socket.terminate();
  });
  const frames = new Inbox<string>();
  socket.on("message", (data) => {
    frames.add((data as Buffer).toString());
  });
  socket.once("open", () => {
    socket.send('{"type":"ping"}');
  });
  return frames;
}
