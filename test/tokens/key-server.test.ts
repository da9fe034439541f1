import { randomUUID } from "node:crypto";
import type { JWK } from "jose";
import t, { type Test } from "tap";
import { socketIo } from "../helpers/clients/clients.js";
import { startServer } from "../helpers/processes/server-process.js";
import { eventually } from "../helpers/eventually.js";
import { happens } from "../gate/helpers/happens.js";
import { authorization, byHttp, DOORS, type Answer } from "../gate/helpers/doors.js";
import { namedKey, sign, withKeyServer, type Signing } from "../gate/helpers/issuers.js";
import type { KeyServer } from "../gate/helpers/key-server.js";

const SESSION = randomUUID();
const PLAIN = "plain WebSocket, by header";
const SECRET = "s3cret-that-no-log-may-hold";
const role = "student";
const tokenOf = (signing: Signing) => sign(signing, { session_id: SESSION, role });

t.jobs = 3;

/** A replica that believes in a server of keys, and a way to knock at it. */
async function start(t: Test, mood: KeyServer["mood"] = "well") {
  const issuer = await withKeyServer(t);
  issuer.server.mood = mood;
  // What is behind the origin may be a secret.
  const JWKS_URL = `${issuer.server.url}?of=${SECRET}`;
  const server = await startServer({ env: { JWKS_URL, LOG_LEVEL: "trace" } });
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
  const ready = () => byHttp(`${url}/readyz`);
  return { ...issuer, url, knock, errors, ready, output: () => server.output() };
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
  await eventually(async () => (await knock(old)).status === 401);
});

void t.test("unknown key ids do not have keys fetched again and again", async (t) => {
  const { signing, server, knock } = await start(t);
  t.equal((await knock(await tokenOf(signing))).code, "in");
  const began = performance.now();
  const { signing: stranger } = await namedKey("unknown");
  for (let round = 0; round < 10; round++) {
    const tokens = Array.from({ length: 20 }, () => tokenOf({ ...stranger, kid: randomUUID() }));
    const answers = await Promise.all((await Promise.all(tokens)).map((token) => knock(token)));
    t.ok(answers.every(({ status }) => status === 401 || status === 503));
  }
  const allowed = 1 + Math.ceil((performance.now() - began) / 5_000);
  t.ok(server.asked <= allowed, `${String(server.asked)} of ${String(allowed)}`);
});

for (const mood of ["failing", "endless", "silent", "moved"] as const) {
  void t.test(`a ${mood} server of keys: come back later, and all is well again`, async (t) => {
    const { signing, server, knock, errors, ready, output, url } = await start(t, mood);
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
    t.match(await ready(), { status: 503, code: "keys_unavailable", text: /JWKS_URL/ });
    const told = errors().filter((line) => line.includes("JWKS_URL"));
    t.equal(told.length, 1, "it is told once");
    t.match(told[0], "nobody comes in", "and what that means");
    t.match(told[0], `"from":"${new URL(server.url).origin}"`, "and where from");
    t.match(told[0], /cannot be had \((HTTP status|more than|no answer)/, "and why");
    t.notMatch(told[0], /stack/, "in one line");
    t.notMatch(output(), SECRET);
    t.match(output(), /"code":"token_unchecked"/, "whoever met it is logged");
    server.mood = "well";
    await happens(socket, "connected");
    t.strictSame(refused, [], "the stock client was not sent away, and has come back by itself");
    t.equal((await knock(token)).code, "in");
    t.equal((await ready()).status, 200);
  });
}

void t.test("a wrong URL is told at the start, before anybody has come", async (t) => {
  const { errors, ready, server, signing, knock } = await start(t, "failing");
  await eventually(() => Promise.resolve(errors().length > 0));
  t.match(await ready(), { status: 503, code: "keys_unavailable" });
  // Another cause is news.
  server.mood = "moved";
  await eventually(() => Promise.resolve(errors().length === 2));
  t.match(errors()[1], "HTTP status 302");
  server.mood = "well";
  await eventually(async () => (await ready()).status === 200);
  t.equal((await knock(await tokenOf(signing))).code, "in");
  t.equal(errors().length, 2);
});

void t.test("a set without a key that checks tokens is none: come back later", async (t) => {
  const { errors, ready, server, signing, knock } = await start(t, "failing");
  const [key = {} as JWK] = server.keys;
  const sets: readonly (readonly [readonly JWK[], RegExp])[] = [
    [[], /holds no key/],
    [
      [
        { kty: "oct", k: "c2VjcmV0" },
        { ...key, use: "enc" },
      ],
      /none of its 2 keys/,
    ],
    [[{ ...key, d: "AAAA" }], /none of its 1 keys/],
    [[], /holds no key/],
    [[{ ...key, x: "AAAA" }], /none of its 1 keys/],
    [[], /holds no key/],
    [[{ ...key, alg: "ECDH-ES" }], /none of its 1 keys/],
  ];
  const token = await tokenOf(signing);
  server.mood = "well";
  for (const [keys, reason] of sets) {
    server.keys = keys;
    await eventually(() => Promise.resolve(reason.test(errors().at(-1) ?? "")));
    t.match(await knock(token), { status: 503, code: "unavailable" });
    t.match(await ready(), { status: 503, code: "keys_unavailable" });
  }
  server.keys = [{ kty: "oct", k: "c2VjcmV0" }, key];
  await eventually(async () => (await knock(token)).code === "in");
});

void t.test(
  "who names a key that was just published is told to come back, and let in",
  async (t) => {
    const { signing, server, knock } = await start(t);
    t.equal((await knock(await tokenOf(signing))).code, "in");
    const second = await namedKey("second");
    server.keys = [...server.keys, second.jwk];
    const fresh = await tokenOf(second.signing);
    const answers: Answer[] = [];
    await eventually(async () => {
      answers.push(await knock(fresh));
      return answers.at(-1)?.code === "in";
    });
    const refusals = answers.slice(0, -1);
    t.ok(refusals.length > 0 && refusals.every(({ status }) => status === 503));
    t.match(refusals[0], { code: "unavailable", text: /does not know the key.*yet/ });
  },
);

void t.test(
  "who names a key that there is not hears so in the end, by the stock client",
  async (t) => {
    const { signing, server, knock, url } = await start(t);
    t.equal((await knock(await tokenOf(signing))).code, "in");
    const token = await tokenOf((await namedKey("unknown")).signing);
    const socket = socketIo(
      { url, session: SESSION, role, kind: "websocket" },
      { auth: { token } },
    );
    t.teardown(() => socket.close());
    const codes: unknown[] = [];
    socket.on("connect_error", (error: Error & { data?: { code: string } }) => {
      codes.push(error.data?.code);
    });
    await eventually(() => Promise.resolve(codes.includes("unauthorized")));
    t.notOk(socket.active, "and does not try again");
    t.equal((await knock(token)).status, 401, "others with the same one as well");
    t.ok(server.asked <= 4, String(server.asked));
  },
);

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
