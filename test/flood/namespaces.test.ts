import { randomUUID } from "node:crypto";
import t from "tap";
import { rawSocketIo } from "../helpers/clients/raw-socket-io.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";

/** What is sent back of a name. */
const MAX_ECHO_BYTES = 64;
const ANSWER_BYTES = '44,{"message":"Invalid namespace"}'.length + MAX_ECHO_BYTES;
const path = () => `/ws/session/${randomUUID()}/student/`;

void t.test(
  "other namespaces are refused shortly, and the fifth ends the connection",
  async (t) => {
    const app = await startInProcess(t);
    for (const join of [true, false]) {
      const client = await rawSocketIo(app.url, path(), { join });
      t.teardown(() => client.close());
      const names = ["/a", `/${"b".repeat(MAX_ECHO_BYTES - 1)}`, `/${"c".repeat(3_900)}`, "/한국"];
      for (const name of names) client.send(`40${name},{"token":"x"}`);
      const answer = await client.frames.next((frame) => frame.startsWith("44/한국,"));
      t.equal(
        answer,
        '44/한국,{"message":"Invalid namespace"}',
        "as the stock client understands it",
      );
      const answers = client.frames.items.filter((frame) => frame.startsWith("44"));
      t.equal(answers.length, 3, "a name that is too long is not sent back");
      for (const it of answers) t.ok(Buffer.byteLength(it) <= ANSWER_BYTES, `${it.length} bytes`);
      if (join) await client.answersPing();
      client.send("40/e,");
      await client.closed;
    }
    const { _nsps } = app.io as unknown as { _nsps: ReadonlyMap<string, unknown> };
    t.strictSame([..._nsps.keys()], ["/"], "Socket.IO knows one namespace");
  },
);
