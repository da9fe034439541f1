import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { connect, EmitterError, type ConnectOptions } from "@inthon/emitter";
import { freePort } from "../helpers/processes/ports.js";
import { startServer } from "../helpers/processes/server-process.js";
import { Authority } from "../every-redis/helpers/certificates.js";
import { nowS, sign, withSecret } from "../gate/helpers/issuers.js";

const SECRET = "s3cret-that-no-message-holds";
const OFFSETS = { offsets: { student: "1-1", teacher: "1-1" }, duplicate: false };

async function failureOf(promise: Promise<unknown>): Promise<EmitterError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof EmitterError) return error;
  throw new Error(`no EmitterError, but ${String(error)}`);
}

/** What stands where a server should. */
async function listen(t: Test, answer: RequestListener): Promise<string> {
  const http = createServer(answer);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`;
}

/** The same by TLS, with a certificate that nobody else has signed. */
async function listenByTls(t: Test): Promise<string> {
  const authority = await Authority.create();
  t.teardown(() => authority.remove());
  const { cert, key } = await authority.sign(["IP:127.0.0.1"]);
  const files = { cert: await readFile(cert), key: await readFile(key) };
  const https = createSecureServer(files, (_request, response) => {
    response.end();
  });
  https.listen(0, "127.0.0.1");
  await once(https, "listening");
  t.teardown(() => {
    https.closeAllConnections();
    https.close();
  });
  return `https://127.0.0.1:${String((https.address() as AddressInfo).port)}`;
}

void t.test("what a target or a key cannot be is told at once, and never repeated", async (t) => {
  const wrong: readonly (readonly [string, ConnectOptions, RegExp])[] = [
    [`http://${SECRET}@localhost`, {}, /give the key as \{ key \}/],
    [`https://user:${SECRET}@localhost`, {}, /give the key as \{ key \}/],
    [`http://localhost?key=${SECRET}`, {}, /must end behind/],
    [`http://localhost#${SECRET}`, {}, /must end behind/],
    ["http://localhost", { key: `${SECRET}\n` }, /without a blank or the end of a line/],
    ["http://localhost", { key: "" }, /key must be/],
    ["http://localhost/socket.io/", {}, /where clients connect/],
    ["http://localhost/realtime/ws/session/lecture-1/teacher", {}, /where clients connect/],
    ["redis://localhost", { key: SECRET }, /key is for http/],
    ["rediss://localhost", { key: () => SECRET }, /key is for http/],
  ];
  for (const [target, options, text] of wrong) {
    const error = await failureOf(connect(target, options));
    t.match(error, { code: "invalid_option", message: text }, target);
    t.notMatch(error.message, SECRET);
  }
});

void t.test("a key that is a function is asked at each attempt", async (t) => {
  const { signing, env } = await withSecret();
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const claims = { session_id: "*", role: "publisher" };
  const stale = await sign(signing, { ...claims, exp: nowS() - 60 });
  const fresh = await sign(signing, claims);
  const given = [fresh, stale, fresh];
  const emitter = await connect(server.url, { key: () => Promise.resolve(given.shift() ?? "") });
  t.teardown(() => emitter.close());
  const emit = () => emitter.emit(randomUUID(), "session_ended");
  t.match(await emit(), { duplicate: false });
  const { code, message } = await failureOf(emit());
  t.equal(code, "unauthorized");
  t.match(message, /ran out 6\d s ago/);
  t.match(await emit(), { duplicate: false }, "it has been renewed");
  t.match(await failureOf(emit()), { code: "invalid_option" }, "what is no key is told at once");
});

void t.test(
  "one that fails is asked again, and one that hangs costs no more than the call",
  async (t) => {
    const asked: (string | undefined)[] = [];
    const url = await listen(t, ({ headers }, response) => {
      asked.push(headers.authorization);
      response.writeHead(202).end(JSON.stringify(OFFSETS));
    });
    let failures = 0;
    const failing = await connect(url, {
      key: () => {
        if (++failures < 3) throw new Error(SECRET);
        return "a-key-of-a-service";
      },
    });
    t.match(await failing.emit("lecture-1", "session_ended"), OFFSETS);
    t.strictSame([failures, asked], [3, ["Bearer a-key-of-a-service"]]);
    const hanging = await connect(url, { key: () => new Promise<string>(() => undefined) });
    const error = await failureOf(
      hanging.emit("lecture-1", "session_ended", {}, { timeoutMs: 200 }),
    );
    t.match(error, { code: "unavailable", retryable: true });
    const broken = await connect(url, { key: () => Promise.reject(new Error(SECRET)) });
    const lost = await failureOf(broken.emit("lecture-1", "session_ended", {}, { timeoutMs: 200 }));
    t.match(lost, { code: "unavailable", message: /function that gives the key failed/ });
    t.notMatch(lost.message, SECRET);
    for (const emitter of [failing, hanging, broken]) await emitter.close();
  },
);

void t.test("a path is where the server is: behind a proxy, or wrong", async (t) => {
  const paths: (string | undefined)[] = [];
  const url = await listen(t, (request: IncomingMessage, response) => {
    paths.push(request.url);
    if (request.url?.startsWith("/realtime/")) response.writeHead(202).end(JSON.stringify(OFFSETS));
    else response.writeHead(404).end("<html>nothing here</html>");
  });
  const right = await connect(`${url}/realtime`);
  t.match(await right.emit("lecture-1", "session_ended"), OFFSETS);
  t.strictSame(paths, ["/realtime/sessions/lecture-1/events"]);
  const wrong = await connect(`${url}/sessions/lecture-1/events`);
  const error = await failureOf(wrong.emit("lecture-1", "session_ended"));
  t.match(error, { code: "rejected", message: /events\/ is not where a server is \(404, / });
});

void t.test("why nothing answered is said", async (t) => {
  const timeoutMs = 200;
  const url = await listen(t, (_request, response) => {
    response.writeHead(502).end("<html>bad gateway</html>");
  });
  const secure = await listenByTls(t);
  const cases = [
    [url, /something before the server at \S+ answered \(502, without a type\)/],
    [url.replace("http", "https"), /by TLS \(ERR_SSL_\w+\): is it http:\/\/ there/],
    [`http://127.0.0.1:${String(await freePort())}`, /nobody listens there \(ECONNREFUSED\)/],
    ["http://no-such-host.invalid", /no (host is known by that name here|name is looked up)/],
    [secure.replace("https", "http"), /closed the connection \(\w+\).* is it https:\/\/ there/],
    [secure, /signed by nobody who is known here.* NODE_EXTRA_CA_CERTS/],
  ] as const;
  for (const [target, text] of cases) {
    const emitter = await connect(target);
    const error = await failureOf(emitter.emit("lecture-1", "session_ended", {}, { timeoutMs }));
    t.match(error, { code: "unavailable", retryable: true, message: text });
    await emitter.close();
  }
});

/** What is held, and for how long: longer than the 4 s of an attempt. */
const SLOW_MS = 4_500;
const LONG = Array.from({ length: 15 }, () => ({
  event: "important" as const,
  note: "n".repeat(60_000),
  capture_url: null,
}));

const NO_SERVER = { code: "unavailable", isFinal: true, message: /\(202, / };
const result = (offsets: object) => JSON.stringify({ duplicate: false, offsets });

void t.test("an answer that is no server's is told as what it is", async (t) => {
  const timeoutMs = 1_000;
  const html = { "content-type": "text/html; charset=utf-8" };
  const json = { "content-type": "application/json" };
  const given: Readonly<Record<string, readonly [number, Record<string, string>, string, object]>> =
    {
      "a login page": [
        200,
        html,
        "<html>",
        { code: "unavailable", isFinal: true, message: /\(200, text\/html\)/ },
      ],
      "an empty answer": [
        200,
        {},
        "",
        { code: "unavailable", isFinal: true, message: /\(200, without a type\)/ },
      ],
      nothing: [204, {}, "", { code: "unavailable", isFinal: true, message: /\(204, / }],
      "another program": [
        202,
        json,
        '{"queued":true}',
        { code: "unavailable", isFinal: true, message: /\(202, / },
      ],
      "fewer results": [
        202,
        json,
        "[]",
        { code: "unavailable", isFinal: true, message: /\(202, / },
      ],
      "cut off": [
        202,
        json,
        '{"offsets":{"stu',
        { code: "unavailable", isFinal: false, message: /JSON that is not whole/ },
      ],
      "a redirect": [
        301,
        { location: "https://elsewhere.test/api/sessions/a/events?token=s3cret" },
        "",
        { code: "rejected", message: /redirects to https:\/\/elsewhere.test\/api\/ \(301\)/ },
      ],
      "a redirect that fetch would follow": [
        307,
        { location: "/v2/sessions/a/events" },
        "",
        { code: "rejected", message: /redirects to http:\/\/127[.\d]+:\d+\/v2\/ \(307\)/ },
      ],
      "who may not pass": [
        401,
        html,
        "<html>",
        { code: "unauthorized", message: /before the server .*\(401, text\/html\)/ },
      ],
      "a firewall": [
        403,
        html,
        "<html>",
        { code: "unauthorized", message: /before the server .*\(403, text\/html\)/ },
      ],
      "a wrong path": [
        404,
        html,
        "<html>",
        { code: "rejected", message: /not where a server is \(404, text\/html\)/ },
      ],
      "a site of files": [
        405,
        html,
        "<html>",
        { code: "rejected", message: /not where a server is \(405, text\/html\)/ },
      ],
      "TLS that is not spoken": [
        400,
        html,
        "<html>",
        { code: "rejected", message: /\(400, text\/html\).*https:\/\/ there/ },
      ],
      "a stock Socket.IO": [
        400,
        json,
        '{"code":0,"message":"Transport unknown"}',
        { code: "rejected", message: /\(400, application\/json\)/ },
      ],
      "a short limit": [
        413,
        html,
        "<html>",
        { code: "event_too_large", message: /raise its limit/ },
      ],
      "too much at once": [
        429,
        html,
        "<html>",
        { code: "unavailable", isFinal: false, message: /\(429, text\/html\)/ },
      ],
      "a proxy alone": [
        503,
        html,
        "<html>",
        { code: "unavailable", isFinal: false, message: /\(503, text\/html\)/ },
      ],
      "places that are none": [202, json, result({ student: 7 }), NO_SERVER],
      "a list of places": [202, json, '{"duplicate":false,"offsets":[]}', NO_SERVER],
      "no place at all": [202, json, result({}), NO_SERVER],
      "a role that there is not": [202, json, result({ student: "1-1", admin: "1-1" }), NO_SERVER],
      "another protocol": [
        501,
        { "content-type": "application/problem+json" },
        '{"code":"not_implemented","detail":"there is none"}',
        { code: "rejected", message: /there is none/ },
      ],
      "faults that are none": [
        400,
        { "content-type": "application/problem+json" },
        '{"code":"invalid_event","errors":[null,7,{"path":1},{"path":"/a","message":"b","c":1}]}',
        { code: "invalid_event", faults: [{ path: "/a", message: "b" }] },
      ],
      "a page without end": [
        200,
        html,
        "x".repeat(4 * 1024 * 1024),
        { code: "unavailable", isFinal: true, message: /\(200, / },
      ],
    };
  let now: readonly [number, Record<string, string>, string, object] | undefined;
  let asked = 0;
  const url = await listen(t, (_request, response) => {
    asked++;
    const [status = 500, headers, body] = now ?? [];
    response.writeHead(status, headers).end(body);
  });
  const emitter = await connect(url, { key: SECRET });
  t.teardown(() => emitter.close());
  for (const [what, answer] of Object.entries(given)) {
    now = answer;
    asked = 0;
    const error = await failureOf(emitter.emit("a", "session_ended", {}, { timeoutMs }));
    const { isFinal = true, ...expected } = answer[3] as { isFinal?: boolean };
    t.match(error, expected, what);
    t.equal(asked === 1, isFinal, `${what}: ${isFinal ? "told at once" : "tried again"}`);
    t.notMatch(error.message, /s3cret|did not answer/, what);
    t.ok(error.idempotencyKey, what);
  }
});

void t.test("an attempt has its time, and what is no part of it does not take it", async (t) => {
  // All of them wait, so they do it together.
  t.jobs = 3;
  const open = async (t: Test, answer: RequestListener, options: ConnectOptions = {}) => {
    const keys: unknown[] = [];
    const url = await listen(t, (request, response) => {
      keys.push(request.headers["idempotency-key"]);
      answer(request, response);
    });
    const emitter = await connect(url, options);
    t.teardown(() => emitter.close());
    return { keys, emitter };
  };
  const accept: RequestListener = (_, response) => {
    response.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify(OFFSETS));
  };
  const PATIENCE = { timeoutMs: 15_000 };

  const hangs = t.test(
    "one that hangs is given up, and made again under the same key",
    async (t) => {
      const { keys, emitter } = await open(t, (request, response) => {
        // As a machine that is gone: it takes the first one, and says nothing.
        if (keys.length > 1) accept(request, response);
      });
      t.match(await emitter.emit("a", "session_ended", {}, PATIENCE), OFFSETS);
      t.equal(keys.length, 2);
      t.equal(keys[0], keys[1]);
    },
  );

  const long = t.test("a long body has longer", async (t) => {
    const { keys, emitter } = await open(t, (_, response) => {
      setTimeout(() => {
        response.writeHead(202).end(JSON.stringify(LONG.map(() => OFFSETS)));
      }, SLOW_MS);
    });
    t.equal((await emitter.emitAll("a", LONG, PATIENCE)).length, LONG.length);
    t.equal(keys.length, 1, "one attempt");
  });

  const slowKey = t.test("a key that takes long costs the call, and not the attempt", async (t) => {
    let asked = 0;
    const key = () => {
      asked++;
      return new Promise<string>((resolve) => {
        setTimeout(resolve, SLOW_MS, "a-key-of-a-service");
      });
    };
    const { keys, emitter } = await open(t, accept, { key });
    t.match(await emitter.emit("a", "session_ended", {}, PATIENCE), OFFSETS);
    t.strictSame([asked, keys.length], [1, 1]);
  });
  await Promise.all([hangs, long, slowKey]);
});
