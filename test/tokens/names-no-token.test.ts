import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { io } from "socket.io-client";
import t from "tap";
import { WebSocket } from "ws";
import { startServer } from "../helpers/processes/server-process.js";
import { DOORS } from "../gate/helpers/doors.js";
import { nowS, sign, withSecret } from "../gate/helpers/issuers.js";

const role = "student";

void t.test("the log names the user and why it was refused or ended, and no token", async (t) => {
  const { signing, env } = await withSecret();
  const server = await startServer({ env: { ...env, LOG_LEVEL: "trace" } });
  t.teardown(() => server.stop());
  const { url } = server;
  const session = randomUUID();
  const claims = { session_id: session, role, sub: "user-42" };
  const tokens = await Promise.all([
    sign(signing, { ...claims, role: "teacher" }),
    sign(signing, { ...claims, exp: nowS() - 60 }),
  ]);
  const [forbidden, old] = tokens;
  const seen = Promise.all(
    ["forbidden", "token_expired", "unauthorized"].map((code) =>
      server.waitForLine((line) => (line.includes(`"code":"${code}"`) ? line : undefined)),
    ),
  );
  for (const door of Object.values(DOORS)) {
    for (const token of [forbidden, old, undefined]) await door({ url, session, role, token });
  }
  for (const line of await seen) t.match(line, /"address":"127\.0\.0\.1".*"refused"/);

  const ending = await sign(signing, { ...claims, exp: nowS() + 2 });
  const target = `${url.replace("http", "ws")}/ws/session/${session}/${role}/?token=${ending}`;
  const ended = server.waitForLine((line) => (line.includes('"disconnected"') ? line : undefined));
  const socket = new WebSocket(target);
  const [code] = (await once(socket, "close")) as [number];
  t.equal(code, 4401);
  t.match(JSON.parse(await ended), { session, role, user: "user-42", reason: "token_expired" });
  for (const token of [...tokens, ending]) t.notOk(server.output().includes(token));
});

void t.test("each refusal is told once, with the client's address and not a proxy's", async (t) => {
  const { env } = await withSecret();
  const server = await startServer({ env: { ...env, TRUST_PROXY: "1" } });
  t.teardown(() => server.stop());
  const path = `/ws/session/${randomUUID()}/${role}/`;
  const from = (address: string) => ({ "x-forwarded-for": address });
  const plain = new WebSocket(`${server.url.replace("http", "ws")}${path}`, {
    headers: from("203.0.113.1"),
  });
  await once(plain, "error");
  for (const [address, transport] of [
    ["203.0.113.2", "websocket"],
    ["203.0.113.3", "polling"],
  ] as const) {
    const extraHeaders = from(address);
    const socket = io(server.url, { path, transports: [transport], extraHeaders, forceNew: true });
    await new Promise<void>((resolve) => {
      socket.once("connect_error", () => {
        resolve();
      });
    });
    socket.close();
  }
  await fetch(`${server.url}/sessions/a`, { headers: from("203.0.113.4") });
  await server.stop();
  const refused = server.output().match(/.*"refused".*/g) ?? [];
  t.match(
    refused.map((line) => JSON.parse(line) as unknown),
    [1, 2, 3, 4].map((n) => ({ code: "unauthorized", address: `203.0.113.${String(n)}` })),
  );
  t.equal(refused.length, 4);
});

void t.test(
  "a server that anyone may use says so once; one with tokens has no need to",
  async (t) => {
    const { env } = await withSecret();
    for (const [expected, settings] of [
      [1, {}],
      [1, { AUTH: "off", PUBLISH_KEYS: "a-key-of-a-service" }],
      [0, env],
    ] as const) {
      const server = await startServer({ env: { ...settings } });
      t.teardown(() => server.stop());
      const warnings = server
        .output()
        .split("\n")
        .filter((line) => line.includes('"level":40'));
      t.equal(warnings.length, expected, JSON.stringify(Object.keys(settings)));
      if (expected === 1) t.match(warnings[0], /set JWT_SECRET/);
    }
  },
);
