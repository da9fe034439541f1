import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { socketIo } from "../helpers/clients/clients.js";
import { startServer } from "../helpers/processes/server-process.js";
import { eventually } from "../helpers/eventually.js";
import { happens } from "../gate/helpers/happens.js";
import { authorization, byHttp, DOORS } from "../gate/helpers/doors.js";
import { namedKey, sign, withKeyServer, type Signing } from "../gate/helpers/issuers.js";
import type { KeyServer } from "../gate/helpers/key-server.js";

const SESSION = randomUUID();
const PLAIN = "plain WebSocket, by header";
const role = "student";
const tokenOf = (signing: Signing) => sign(signing, { session_id: SESSION, role });

t.jobs = 3;

/** A replica that believes in a server of keys, and a way to knock at it. */
async function start(t: Test, mood: KeyServer["mood"] = "well") {
  const issuer = await withKeyServer(t);
  issuer.server.mood = mood;
  const server = await startServer({ env: { ...issuer.env, LOG_LEVEL: "trace" } });
  t.teardown(() => server.stop());
  const { url } = server;
  const knock = async (token: string, door = PLAIN) => {
    const answer = await DOORS[door]?.({ url, session: SESSION, role, token });
    if (!answer) throw new Error(`there is no door ${door}`);
    return answer;
  };
  const errors = () =>
    server
      .output()
      .split("\n")
      .filter((line) => line.includes('"level":50'));
  return { ...issuer, url, knock, errors, output: () => server.output() };
}

void t.test("keys are fetched once for all who come", async (t) => {
  const { signing, server, knock } = await start(t);
  const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(signing)));
  const answers = await Promise.all(tokens.map((token) => knock(token)));
  t.ok(answers.every(({ code }) => code === "in"));
  t.equal(server.asked, 1);
});

void t.test("a new key is found when a token names it, and an old one is forgotten", async (t) => {
  const { signing, server, knock } = await start(t);
  const old = await tokenOf(signing);
  t.equal((await knock(old)).code, "in");
  const second = await namedKey("second");
  server.keys = [second.jwk];
  const fresh = await tokenOf(second.signing);
  await eventually(async () => (await knock(fresh)).code === "in");
  t.match(await knock(old), { status: 401, code: "unauthorized" });
});

void t.test("unknown key ids do not have keys fetched again and again", async (t) => {
  const { signing, server, knock } = await start(t);
  t.equal((await knock(await tokenOf(signing))).code, "in");
  const began = performance.now();
  const unknown = await tokenOf((await namedKey("unknown")).signing);
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => knock(unknown)));
    t.ok(answers.every(({ status }) => status === 401));
  }
  const allowed = 1 + Math.ceil((performance.now() - began) / 5_000);
  t.ok(server.asked <= allowed, `${String(server.asked)} of ${String(allowed)}`);
});

for (const mood of ["failing", "endless", "silent", "moved"] as const) {
  void t.test(`a ${mood} server of keys: come back later, and all is well again`, async (t) => {
    const { signing, server, knock, errors, output, url } = await start(t, mood);
    const token = await tokenOf(signing);
    const later = { status: 503, code: "unavailable", text: /try again/ };
    t.match(await knock(token), later);
    t.match(await knock(token, "history over HTTP"), later);
    const socket = socketIo(
      { url, session: SESSION, role, kind: "websocket" },
      { auth: { token } },
    );
    t.teardown(() => socket.close());
    const refused: unknown[] = [];
    socket.on("connect_error", (error) => refused.push(error));
    await happens(socket.io, "close");
    const asked = `${url}/sessions/${SESSION}/events?role=${role}&token=${token}`;
    t.match(await byHttp(asked, { headers: authorization({ token }) }), { status: 503 });
    t.notOk(output().includes(token), "the log holds no token");
    const told = errors().filter((line) => line.includes("JWKS_URL"));
    t.equal(told.length, 1, "it is told once");
    t.match(told[0], "nobody comes in", "and what that means");
    t.match(output(), /"code":"token_unchecked"/, "whoever met it is logged");
    server.mood = "well";
    await happens(socket, "connected");
    t.strictSame(refused, [], "the stock client was not sent away, and has come back by itself");
    t.equal((await knock(token)).code, "in");
  });
}

void t.test("keys that are known serve on while their server does not", async (t) => {
  const { signing, server, knock } = await start(t);
  const token = await tokenOf(signing);
  t.equal((await knock(token)).code, "in");
  server.mood = "failing";
  const unknown = await tokenOf((await namedKey("unknown")).signing);
  // Nobody can say whether it is a new one.
  await eventually(async () => (await knock(unknown)).status === 503);
  t.equal((await knock(token)).code, "in");
});
