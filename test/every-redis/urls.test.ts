import { networkInterfaces } from "node:os";
import { randomUUID } from "node:crypto";
import t from "tap";
import { connect, parseRedisUrl } from "@inthon/emitter";
import { join } from "../helpers/clients/clients.js";
import { startRedis } from "../helpers/processes/redis-server.js";
import { startServer } from "../helpers/processes/server-process.js";

const SECRET = "s3cret";
const NOBODY = { username: undefined, password: undefined, isTls: false };
const at = (host: string, port = 6_379) => ({ kind: "standalone", address: { host, port } });

void t.test("a URL of Redis is read as it is meant", (t) => {
  const cases: readonly (readonly [string, object])[] = [
    ["redis://localhost", { ...NOBODY, ...at("localhost") }],
    ["REDIS://LOCALHOST:1/", { ...NOBODY, ...at("LOCALHOST", 1) }],
    ["redis://127.0.0.1:65535/0", { ...NOBODY, ...at("127.0.0.1", 65_535) }],
    ["redis://[::1]", { ...NOBODY, ...at("::1") }],
    ["rediss://[2001:db8::7]:7", { ...NOBODY, ...at("2001:db8::7", 7), isTls: true }],
    ["redis://my_redis.internal.", { ...NOBODY, ...at("my_redis.internal.") }],
    ["redis://:p@h", { ...NOBODY, ...at("h"), password: "p" }],
    ["redis://:@h", { ...NOBODY, ...at("h") }],
    ["redis://u:p%40s:s@h", { ...NOBODY, ...at("h"), username: "u", password: "p@s:s" }],
    ["redis://u:p@s@h", { ...NOBODY, ...at("h"), username: "u", password: "p@s" }],
    [
      "rediss+sentinel://u:p@a,[::1]:1,b:2/my.primary-1",
      {
        kind: "sentinel",
        sentinels: [
          { host: "a", port: 26_379 },
          { host: "::1", port: 1 },
          { host: "b", port: 2 },
        ],
        name: "my.primary-1",
        username: "u",
        password: "p",
        isTls: true,
      },
    ],
    [
      "rediss+cluster://u:p@a,[::1]:1,b:2/",
      {
        kind: "cluster",
        nodes: [
          { host: "a", port: 6_379 },
          { host: "::1", port: 1 },
          { host: "b", port: 2 },
        ],
        username: "u",
        password: "p",
        isTls: true,
      },
    ],
    ["redis+cluster://a/0", { ...NOBODY, kind: "cluster", nodes: [{ host: "a", port: 6_379 }] }],
  ];
  for (const [url, target] of cases) t.match(parseRedisUrl(url), target, url);
  t.end();
});

void t.test("whoever begins otherwise is told each scheme that there is", async (t) => {
  const { problem = "" } = parseRedisUrl("valkey://a") as { problem?: string };
  const failure: unknown = await connect("valkey://a").catch((error: unknown) => error);
  const { problem: kind = "" } = parseRedisUrl("redis+ring://a") as { problem?: string };
  for (const text of [problem, kind, String(failure)]) {
    for (const kind of ["", "+sentinel", "+cluster"]) {
      for (const scheme of ["redis", "rediss"]) t.match(text, `${scheme}${kind}://`);
    }
  }
});

void t.test(
  "a URL that is none is refused in one clear line that holds nothing of it",
  async (t) => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["redis://", /host and port/],
      [`redis://:${SECRET}@`, /host and port/],
      [`redis://:${SECRET}@:6379`, /host and port/],
      [`redis://:${SECRET}@a:`, /host and port/],
      [`redis://:${SECRET}@a:0`, /ports up to 65535/],
      [`redis://:${SECRET}@a:65536`, /ports up to 65535/],
      [`redis://:${SECRET}@::1`, /\[IPv6 address\]/],
      [`redis://:${SECRET}@[::1`, /\[IPv6 address\]/],
      [`redis://:${SECRET}@[localhost]`, /\[IPv6 address\]/],
      [`redis://:${SECRET}@a b`, /host and port/],
      [`redis://:${SECRET}@a,b`, /several hosts/],
      [`redis://:${SECRET}@a/path`, /must end behind/],
      [`redis://:${SECRET}@a/3`, /database number/],
      [`redis://:${SECRET}@a?tls=true`, /\? or #/],
      [`redis://:${SECRET}@a#1`, /\? or #/],
      [`redis://:${SECRET}/x@a`, /write %2F/],
      [`redis://u:${SECRET}?x@a:1`, /%3F/],
      [`rediss://u:${SECRET}#@a`, /%23/],
      [`redis+sentinel://u:${SECRET}/@a,b/name`, /write %2F/],
      [`redis://${SECRET}@a`, /without a password/],
      [`redis://:${SECRET}%@a`, /%25/],
      [`redis+sentinel://:${SECRET}@a,b`, /what the Sentinels call the primary/],
      [`redis+sentinel://:${SECRET}@a,b/`, /what the Sentinels call the primary/],
      [`redis+sentinel://:${SECRET}@a,b/my primary`, /what the Sentinels call the primary/],
      [`redis+sentinel://:${SECRET}@a,,b/name`, /host and port/],
      [`redis+cluster://:${SECRET}@a,b/name`, /must end behind/],
      [`redis+cluster://:${SECRET}@a,b/2`, /database number/],
      [`redis+cluster://:${SECRET}@a,::1`, /host and port/],
      [`redis+other://:${SECRET}@a,b`, /must begin with/],
    ];
    for (const [url, problem] of cases) {
      const read = parseRedisUrl(url);
      t.match(read, { problem }, url);
      t.notMatch(JSON.stringify(read), SECRET);
      const failure = await connect(url).catch((error: unknown) => error);
      t.match(
        failure,
        { code: "invalid_option", message: problem },
        "nor does the emitter take it",
      );
      t.notMatch(String(failure), SECRET);
    }
  },
);

const hasIPv6 = Object.values(networkInterfaces()).some((one) =>
  one?.some(({ address }) => address === "::1"),
);
const skip = hasIPv6 ? false : "this machine has no ::1";

void t.test("a Redis on IPv6 alone is reached by servers and emitters", { skip }, async (t) => {
  const redis = await startRedis({ args: ["--bind", "::1"] });
  t.teardown(() => redis.stop());
  const url = `redis://[::1]:${String(redis.port)}`;
  const server = await startServer({ env: { REDIS_URL: url } });
  t.teardown(() => server.stop());
  const session = randomUUID();
  const student = await join({ url: server.url, session, role: "student", kind: "websocket" });
  t.teardown(() => student.close());
  const emitter = await connect(url);
  t.teardown(() => emitter.close());
  await emitter.emit(session, "important", { note: "by IPv6", capture_url: null });
  await student.inbox.next(({ object }) => object["note"] === "by IPv6");
  t.pass("heard");
});
