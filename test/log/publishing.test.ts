import t from "tap";
import { sign, withSecret } from "../gate/helpers/issuers.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { startServer } from "../helpers/processes/server-process.js";

interface Line {
  readonly msg: string;
  readonly session?: string;
  readonly outcome?: string;
}

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";

const NOTE = "what nobody else need know";
const IMPORTANT = { event: "important", note: NOTE, capture_url: null };
const ENDED = { event: "session_ended" };

void t.test("at debug each request that publishes has a line: to whom, and not what", async (t) => {
  const lines = new Inbox<Line>();
  const server = await startServer({
    env: { LOG_LEVEL: "debug" },
    onLine: (text) => {
      lines.add(JSON.parse(text) as Line);
    },
  });
  t.teardown(() => server.stop());
  const post = (session: string, body: unknown, key = session) =>
    fetch(`${server.url}/sessions/${session}/events`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify(body),
    });
  const line = (session: string, outcome: string) =>
    lines.next((one) => {
      return one.msg === "published" && one.session === session && one.outcome === outcome;
    });

  await post("lecture-l", IMPORTANT);
  t.match(await line("lecture-l", "published"), { events: 1, roles: ["student"] });
  await post("twice", [IMPORTANT, ENDED]);
  const both = { events: 2, roles: ["student", "teacher"] };
  t.match(await line("twice", "published"), both);
  await post("twice", [IMPORTANT, ENDED]);
  t.match(await line("twice", "duplicate"), both);
  await post("wrong", [IMPORTANT, { event: NOTE }]);
  t.match(await line("wrong", "invalid"), { events: 2 });
  await post("bad-key", IMPORTANT, "a b");
  t.match(await line("bad-key", "invalid"), { events: 1 });
  t.notMatch(JSON.stringify(lines.items), NOTE);

  await fetch(`${server.url}/sessions/traced/events`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: `00-${TRACE_ID}-${SPAN_ID}-01` },
    body: JSON.stringify(IMPORTANT),
  });
  const traced = { address: "127.0.0.1", trace_id: TRACE_ID, parent_id: SPAN_ID };
  t.match(await line("traced", "published"), traced);
});

void t.test("whose token it was is in the line", async (t) => {
  const { signing, env } = await withSecret();
  const lines = new Inbox<Line>();
  const server = await startServer({
    env: { ...env, LOG_LEVEL: "debug" },
    onLine: (text) => {
      lines.add(JSON.parse(text) as Line);
    },
  });
  t.teardown(() => server.stop());
  const token = await sign(signing, {
    session_id: "*",
    role: "publisher",
    sub: "feedback-service",
  });
  const { status } = await fetch(`${server.url}/sessions/a/events`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(IMPORTANT),
  });
  t.equal(status, 202);
  t.match(await lines.next(({ msg }) => msg === "published"), { user: "feedback-service" });
});

void t.test("at info it has none", async (t) => {
  const server = await startServer({ env: { LOG_LEVEL: "info" } });
  t.teardown(() => server.stop());
  await fetch(`${server.url}/sessions/a/events`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(IMPORTANT),
  });
  await server.stop();
  t.notMatch(server.output(), /"msg":"published"/);
});
