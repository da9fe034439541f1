import { randomUUID } from "node:crypto";
import { copyFile, readFile } from "node:fs/promises";
import { inspect } from "node:util";
import t from "tap";
import { connect, type EmitterError, type RedisTls } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { freePort } from "../helpers/processes/ports.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { adminOf, makeUsers } from "../helpers/processes/redis-users.js";
import { run } from "../helpers/processes/run.js";
import { START_COMMAND, startServer } from "../helpers/processes/server-process.js";
import { isServed } from "../links/helpers/hung-links.js";
import { Authority, type Certificate } from "./helpers/certificates.js";
import { PRIMARY_NAME, startSentinels } from "../helpers/topologies/sentinels.js";

const MAIN = START_COMMAND.at(-1) ?? "";
const SOON = { connectTimeoutMs: 300 };

const pem = async ({ cert, key }: Certificate) => ({
  cert: await readFile(cert),
  key: await readFile(key),
});

void t.test("over TLS, with certificates of clients and users of their own", async (t) => {
  const authority = await Authority.create();
  t.teardown(() => authority.remove());
  const stranger = await Authority.create();
  t.teardown(() => stranger.remove());
  const own = await authority.sign(["DNS:localhost", "IP:127.0.0.1"]);
  const shown = await authority.sign([]);
  const strange = await stranger.sign([]);
  const tlsPort = await freePort();
  const redis = await startRedis({
    args: [
      ...[
        "--loglevel",
        "verbose",
        "--bind",
        "127.0.0.1",
        "127.0.0.2",
        "--tls-port",
        String(tlsPort),
        "--tls-auth-clients",
        "yes",
      ],
      ...["--tls-ca-cert-file", authority.ca],
      ...["--tls-cert-file", own.cert, "--tls-key-file", own.key],
    ],
  });
  t.teardown(() => redis.stop());
  const admin = await adminOf(t, redis);
  await makeUsers(admin);
  await admin.sendCommand("ACL SETUSER default -@all +acl +client".split(" "));
  await admin.sendCommand(["ACL", "LOG", "RESET"]);
  const urlOf = (user: string, host = "127.0.0.1") =>
    `rediss://${user}:change-me@${host}:${String(tlsPort)}`;
  const ca = await readFile(authority.ca);
  const tls: RedisTls = { ca, ...(await pem(shown)) };
  const env = (own: Certificate, url = urlOf("server")) => ({
    REDIS_URL: url,
    REDIS_TLS_CA: authority.ca,
    REDIS_TLS_CERT: own.cert,
    REDIS_TLS_KEY: own.key,
    REDIS_LINK_TIMEOUT_MS: "1000",
  });

  await t.test("a room hears what an emitter says, by address, name and Sentinel", async (t) => {
    await admin.sendCommand("ACL SETUSER sentinel on >s3cret &* +@all".split(" "));
    const sentinelPort = await freePort();
    await startSentinels(t, tlsPort, {
      count: 1,
      replicas: 0,
      lines: [
        `tls-port ${String(sentinelPort)}`,
        "tls-replication yes",
        "tls-auth-clients yes",
        `tls-ca-cert-file ${authority.ca}`,
        `tls-cert-file ${own.cert}`,
        `tls-key-file ${own.key}`,
        `sentinel auth-user ${PRIMARY_NAME} sentinel`,
        `sentinel auth-pass ${PRIMARY_NAME} s3cret`,
      ],
    });
    const bySentinel = (user: string) =>
      `rediss+sentinel://${user}:change-me@127.0.0.1:${String(sentinelPort)}/${PRIMARY_NAME}`;
    const ways = [urlOf, (user: string) => urlOf(user, "localhost"), bySentinel];
    for (const way of ways) {
      const server = await startServer({ env: env(shown, way("server")) });
      t.teardown(() => server.stop());
      const session = randomUUID();
      const student = await join({ url: server.url, session, role: "student", kind: "websocket" });
      t.teardown(() => student.close());
      const emitter = await connect(way("emitter"), { tls: () => Promise.resolve(tls) });
      t.teardown(() => emitter.close());
      await emitter.emit(session, "important", { note: "by TLS", capture_url: null });
      await student.inbox.next(({ object }) => object["note"] === "by TLS");
    }
    const clients = await admin.sendCommand<string>(["CLIENT", "LIST"]);
    t.match(clients, `127.0.0.1:${String(tlsPort)}`);
    t.strictSame(await admin.sendCommand(["ACL", "LOG", "20"]), [], "nothing was denied");
  });

  await t.test("whom the certificates do not allow is told why, in time", async (t) => {
    const other = urlOf("emitter", "127.0.0.2");
    const cases: readonly (readonly [string, string, RedisTls | undefined, RegExp])[] = [
      [
        "of nobody who is known",
        urlOf("emitter"),
        undefined,
        /signed by nobody .* authority \(ca\)/,
      ],
      [
        "of another authority",
        urlOf("emitter"),
        { ca: await readFile(stranger.ca) },
        /signed by nobody .* authority \(ca\)/,
      ],
      ["for another address", other, tls, /it is for DNS:localhost, IP Address:127\.0\.0\.1, so/],
      ["none is shown", urlOf("emitter"), { ca }, /refuses the certificate .* \(cert and key\)/],
      [
        "another authority's is shown",
        urlOf("emitter"),
        { ca, ...(await pem(strange)) },
        /refuses the certificate .* \(cert and key\)/,
      ],
    ];
    for (const [name, url, given, why] of cases) {
      const options = { ...SOON, ...(given && { tls: given }) };
      const failure = await connect(url, options).catch((error: unknown) => error as EmitterError);
      t.match(failure, { code: "unavailable", message: why }, name);
      t.ok(inspect(failure, { depth: 9 }).length < 4_000, `${name}: without certificates`);
    }
    await t.rejects(connect(urlOf("nobody"), { tls }), { code: "rejected" }, "a user that is none");
  });

  await t.test("a replica says so, by what is to be set, and logs no certificate", async (t) => {
    const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ ...env(shown), REDIS_TLS_CA: stranger.ca }, /REDIS_TLS_CA/],
      [env(shown, urlOf("server", "127.0.0.2")), /other names than the host of REDIS_URL/],
      [env(strange), /REDIS_TLS_CERT/],
    ];
    for (const [env, detail] of cases) {
      const server = await startServer({ env });
      t.teardown(() => server.stop());
      let problem: unknown;
      await eventually(async () => {
        const answer = (await (await fetch(`${server.url}/readyz`)).json()) as { code: string };
        problem = answer;
        return answer.code === "redis_tls";
      });
      t.match(problem, { status: 503, code: "redis_tls", detail });
      const lines = () => {
        const all = server.output().split("\n");
        return all.filter((line) => line.includes('"redis_tls"'));
      };
      await eventually(() => Promise.resolve(lines().length > 0));
      t.ok(lines().length <= 4, `${String(lines().length)}: a line or two for each link`);
      for (const line of lines()) t.ok(line.length < 2_000, `${String(line.length)} characters`);
      t.notMatch(server.output(), /"cert"|"raw"|pubkey|BEGIN/);
    }
  });

  await t.test("who mixes up the two ports is asked for the other scheme", async (t) => {
    const plain = new URL(redis.url).host;
    const secure = `127.0.0.1:${String(tlsPort)}`;
    const cases: readonly (readonly [string, string, RegExp])[] = [
      ["redis", secure, /is it rediss:\/\/ there/],
      ["redis+cluster", secure, /is it rediss:\/\/ there/],
      ["rediss", plain, /is it redis:\/\/ there/],
      ["rediss+cluster", plain, /is it redis:\/\/ there/],
    ];
    await Promise.all(
      cases.map(async ([scheme, host, question]) => {
        const url = `${scheme}://server:change-me@${host}`;
        const server = await startServer({
          env: { REDIS_URL: url, REDIS_LINK_TIMEOUT_MS: "2000" },
        });
        t.teardown(() => server.stop());
        await t.rejects(connect(url, { linkTimeoutMs: 2_000, connectTimeoutMs: 4_000 }), {
          code: "unavailable",
          message: question,
        });
        await eventually(async () =>
          question.test(await (await fetch(`${server.url}/readyz`)).text()),
        );
        await eventually(() => Promise.resolve(question.test(server.output())));
      }),
    );
  });

  await t.test("what cannot be right is refused before anybody is asked", async (t) => {
    const { cert, key } = await pem(shown);
    const other = await pem(strange);
    const cases: readonly (readonly [string, RedisTls])[] = [
      [redis.url, { ca }],
      [urlOf("emitter"), { cert }],
      [urlOf("emitter"), { key }],
      [urlOf("emitter"), { cert, key: other.key }],
      [urlOf("emitter"), { ca: key }],
      [urlOf("emitter"), { ca: ca.subarray(0, 200) }],
      [urlOf("emitter"), { ca: "" }],
      ["http://localhost", { ca }],
    ];
    const odd: readonly unknown[] = [
      { certificate: cert, key },
      () => Promise.resolve({ cert }),
      () => Promise.resolve("PEM"),
      null,
      "PEM",
    ];
    for (const tls of odd) {
      const failure = await connect(urlOf("emitter"), { tls: tls as RedisTls }).catch(
        (error: unknown) => error,
      );
      t.match(failure, { code: "invalid_option", message: /^tls [^\n]+$/ });
    }
    await t.rejects(connect(urlOf("emitter"), { tls: () => Promise.reject(new Error("no")) }), {
      code: "unavailable",
      message: "the function that gives tls failed",
    });
    const never = () => new Promise<RedisTls>(() => undefined);
    await t.rejects(connect(urlOf("emitter"), { ...SOON, tls: never }), { code: "unavailable" });
    for (const [url, tls] of cases) {
      const failure = await connect(url, { tls }).catch((error: unknown) => error);
      t.match(failure, { code: "invalid_option", message: /^tls [^\n]+$/ });
      t.notMatch(String(failure), /change-me|BEGIN [A-Z ]*PRIVATE/);
    }
    const wrong: readonly (readonly [string, Record<string, string>])[] = [
      ["REDIS_TLS_CA", { ...env(shown), REDIS_TLS_CA: shown.key }],
      ["REDIS_TLS_CA", { ...env(shown), REDIS_URL: redis.url }],
      ["REDIS_TLS_CERT", { ...env(shown), REDIS_TLS_KEY: "" }],
      ["REDIS_TLS_CERT", { ...env(shown), REDIS_TLS_KEY: strange.key }],
      ["REDIS_TLS_KEY", { ...env(shown), REDIS_TLS_CERT: "" }],
    ];
    for (const [variable, environment] of wrong) {
      const { code, stderr } = await run(process.execPath, [MAIN], {
        env: { HOST: "127.0.0.1", PORT: "0", ...environment },
      });
      t.equal(code, 1);
      t.match(stderr, new RegExp(`^${variable} [^\\n]+\\n$`));
    }
  });

  await t.test(
    "files are read anew for each connection, so certificates can be renewed",
    async (t) => {
      const present = { cert: `${shown.cert}.now`, key: `${shown.key}.now` };
      const put = async (one: Certificate) => {
        await copyFile(one.cert, present.cert);
        await copyFile(one.key, present.key);
        await admin.sendCommand(["CLIENT", "KILL", "USER", "server"]);
      };
      await put(shown);
      const server = await startServer({ env: env(present) });
      t.teardown(() => server.stop());
      await eventually(() => isServed(server.url));
      const denied = () => redis.output().split("Error accepting a client connection").length;
      const before = denied();
      await put(strange);
      await eventually(() => Promise.resolve(denied() > before + 2));
      await put(await authority.sign([]));
      await eventually(() => isServed(server.url));
      t.pass("it is back");
    },
  );
});
