import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import t from "tap";
import { connect } from "@inthon/emitter";
import { join } from "../../helpers/clients/clients.js";
import { eventually } from "../../helpers/eventually.js";
import { freePort } from "../../helpers/processes/ports.js";
import { startRedisCluster } from "../../helpers/processes/redis-cluster.js";
import { startServer } from "../../helpers/processes/server-process.js";
import { isServed } from "../../links/helpers/hung-links.js";
import { readBlocks } from "../../operate/helpers/readme.js";
import { Authority } from "../helpers/certificates.js";

const README = new URL("../../../README.md", import.meta.url);
/** Enough for some of each master. */
const SESSIONS = 20;

void t.test("over TLS, with certificates of clients and the README's users", async (t) => {
  const authority = await Authority.create();
  t.teardown(() => authority.remove());
  const own = await authority.sign(["IP:127.0.0.1"]);
  const shown = await authority.sign([]);
  const ports = [await freePort(), await freePort()];
  const cluster = await startRedisCluster(t, {
    masters: 2,
    replicas: 0,
    args: (node) => [
      ...["--tls-port", String(ports[node]), "--tls-cluster", "yes", "--tls-auth-clients", "yes"],
      ...["--tls-ca-cert-file", authority.ca],
      ...["--tls-cert-file", own.cert, "--tls-key-file", own.key],
    ],
  });
  const rules = (await readBlocks(README)).filter(({ language }) => language === "redis");
  const ruleOf = (user: string) =>
    rules.flatMap(({ text }) => new RegExp(`^ACL SETUSER ${user} .*$`, "m").exec(text) ?? []);
  const [, more = "", forServers = ""] =
    /On a cluster, .* and add\n`([^`]+)` to both, and `([^`]+)` to the server's/.exec(
      await readFile(README, "utf8"),
    ) ?? [];
  for (const { ask } of cluster.nodes) {
    await ask(...`${ruleOf("emitter").join("")} ${more}`.split(" "));
    await ask(...`${ruleOf("server").join("")} ${more} ${forServers}`.split(" "));
    await ask(..."ACL SETUSER nobody on >change-me ~* &* +@all -cluster".split(" "));
    await ask("ACL", "LOG", "RESET");
  }
  const hosts = ports.map((port) => `127.0.0.1:${String(port)}`).join(",");
  const urlOf = (user: string) => `rediss+cluster://${user}:change-me@${hosts}`;
  const ca = await readFile(authority.ca);
  const tls = { ca, cert: await readFile(shown.cert), key: await readFile(shown.key) };

  const server = await startServer({
    env: {
      REDIS_URL: urlOf("server"),
      REDIS_TLS_CA: authority.ca,
      REDIS_TLS_CERT: shown.cert,
      REDIS_TLS_KEY: shown.key,
    },
  });
  t.teardown(() => server.stop());
  await eventually(() => isServed(server.url));
  const emitter = await connect(urlOf("emitter"), { tls });
  t.teardown(() => emitter.close());
  for (let i = 0; i < SESSIONS; i++) {
    const session = randomUUID();
    const teacher = await join({ url: server.url, session, role: "teacher", kind: "websocket" });
    const student = await join({ url: server.url, session, role: "student", kind: "plain" });
    await emitter.emit(session, "important", { note: "first", capture_url: null });
    // Goes on by a guess, which is another script.
    await emitter.emit(session, "important", { note: "second", capture_url: null });
    await student.inbox.next(({ object }) => object["note"] === "second");
    await Promise.all([teacher.close(), student.close()]);
  }
  for (const { ask } of cluster.nodes) {
    t.strictSame(await ask("ACL", "LOG", "20"), [], "nothing was denied");
    t.match(
      await ask("INFO", "commandstats"),
      /cmdstat_spublish:calls=[1-9]/,
      "each has some of them",
    );
  }

  const began = performance.now();
  await t.rejects(connect(urlOf("nobody"), { tls }), { code: "rejected", message: /NOPERM/ });
  await t.rejects(connect(urlOf("emitter").replace("change-me", "wrong"), { tls }), {
    code: "rejected",
    message: /WRONGPASS/,
  });
  t.ok(performance.now() - began < 2_000, "at once");
  await t.rejects(connect(urlOf("emitter"), { tls: { ca }, connectTimeoutMs: 500 }), {
    code: "unavailable",
    message: /no node of the cluster has answered: .*/,
  });
});
