import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { startServer } from "../helpers/processes/server-process.js";

const SCHOOL = "https://school.example";
const STRANGER = "https://stranger.example";
/** The default path says who it is later, in its CONNECT packet. */
const PATHS = [`/ws/session/${randomUUID()}/student/`, "/socket.io/"];
const QUERY = "?EIO=4&transport=polling";

const SETTINGS = [
  { what: "any origin", env: {}, allowed: "*", stranger: "*", varies: false },
  {
    what: "allowed origins alone",
    env: { ALLOWED_ORIGINS: `https://other.example,${SCHOOL}` },
    allowed: SCHOOL,
    stranger: undefined,
    varies: true,
  },
] as const;

for (const { what, env, allowed, stranger, varies } of SETTINGS) {
  void t.test(`long polling answers pages of ${what}`, async (t) => {
    const server = await startServer({ env });
    t.teardown(() => server.stop());

    // A page that may not connect is refused, and may not read why.
    const isRefused = (origin: string) => allowed !== "*" && origin === STRANGER;
    const check = (t: Test, response: Response, origin: string | undefined, what: string) => {
      const { headers } = response;
      t.equal(headers.get("access-control-allow-origin") ?? undefined, origin, what);
      t.equal(/\borigin\b/i.test(headers.get("vary") ?? ""), varies, `${what}: a cache must know`);
    };

    for (const path of PATHS) {
      await t.test(path.replace(/[0-9a-f-]{36}/, ":id"), async (t) => {
        const url = `${server.url}${path}${QUERY}`;
        for (const [origin, answer] of [
          [SCHOOL, allowed],
          [STRANGER, stranger],
        ] as const) {
          const preflight = await fetch(url, {
            method: "OPTIONS",
            headers: {
              origin,
              "access-control-request-method": "POST",
              "access-control-request-headers": "content-type,x-lesson",
            },
          });
          t.equal(preflight.status, isRefused(origin) ? 403 : 204);
          if (isRefused(origin)) {
            t.equal(preflight.headers.get("access-control-allow-origin"), null);
            t.equal((await fetch(url, { headers: { origin } })).status, 403);
            continue;
          }
          check(t, preflight, answer, `preflight from ${origin}`);
          const { headers } = preflight;
          t.match(headers.get("access-control-allow-methods"), /\bGET\b.*\bPOST\b/);
          t.equal(headers.get("access-control-allow-headers"), "content-type,x-lesson");

          const opened = await fetch(url, { headers: { origin } });
          t.equal(opened.status, 200);
          check(t, opened, answer, `GET from ${origin}`);
          const { sid } = JSON.parse((await opened.text()).slice(1)) as { sid: string };
          const posted = await fetch(`${url}&sid=${encodeURIComponent(sid)}`, {
            method: "POST",
            headers: { origin, "content-type": "text/plain;charset=UTF-8" },
            body: "40",
          });
          t.equal(posted.status, 200);
          t.equal(await posted.text(), "ok");
          check(t, posted, answer, `POST from ${origin}`);
        }
        const lost = await fetch(`${url}&sid=nobody`, { headers: { origin: SCHOOL } });
        t.equal(lost.status, 400);
        check(t, lost, allowed, "and a page can read why it was refused");
      });
    }
  });
}
