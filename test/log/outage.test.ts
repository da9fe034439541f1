import t from "tap";
import { startCluster } from "../helpers/processes/cluster.js";
import { Sampler } from "../../server/dist/telemetry/sampler.js";

const SECRET = "s3cret-that-no-log-may-hold";
const PROBES = 100;
const ERROR = 50;

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly stack?: string };
  readonly why?: string;
  readonly code?: string;
  readonly awayMs?: number;
  readonly rooms?: number;
}

void t.test("an outage is told when it begins, not to each who meets it", async (t) => {
  const lines: Line[] = [];
  let isBack: () => void = () => undefined;
  const back = new Promise<void>((resolve) => (isBack = resolve));
  const cluster = await startCluster({
    replicas: 1,
    onLine: (_node, text) => {
      const line = JSON.parse(text) as Line;
      lines.push(line);
      if (line.msg === "Redis is back") isBack();
    },
  });
  t.teardown(() => cluster.stop());
  const [url = ""] = cluster.replicas.map((replica) => replica.url);
  cluster.redis.kill("SIGKILL");
  await cluster.redis.exited;
  for (let i = 0; i < PROBES; i++) {
    const probe = await fetch(`${url}/readyz?token=${SECRET}`);
    t.equal(probe.status, 503);
    await probe.text();
  }
  const body = JSON.stringify({ event: "session_ended" });
  const headers = { "content-type": "application/json" };
  const publish = await fetch(`${url}/sessions/a/events?token=${SECRET}`, {
    method: "POST",
    body,
    headers,
  });
  t.equal(publish.status, 503);
  await cluster.redis.restart();
  await back;
  const errors = lines.filter(({ level }) => level >= ERROR);
  t.ok(
    errors.some(({ msg }) => msg.includes("Redis is away")),
    "it is told",
  );
  t.equal(errors.length, 1, "by one line, whichever link found out first");
  t.match(errors[0], { err: undefined, why: String, code: "unavailable" }, "without a stack");
  const isBackLines = lines.filter(({ msg }) => msg === "Redis is back");
  t.equal(isBackLines.length, 1);
  t.match(isBackLines[0], { awayMs: Number, rooms: Number });
  t.notMatch(JSON.stringify(lines), SECRET);
});

void t.test("a warning that is repeated is told three times, then how often it was not", (t) => {
  const sampler = new Sampler({ linesPerWindow: 3, windowMs: 60_000 });
  const told = Array.from({ length: 10 }, () => sampler.admit("the same"));
  t.strictSame(told.slice(0, 4), [0, 0, 0, undefined]);
  t.equal(told.filter((untold) => untold !== undefined).length, 3);
  t.equal(sampler.admit("another"), 0, "others are told");

  const always = new Sampler({ linesPerWindow: 1, windowMs: 0 });
  t.strictSame([always.admit("a"), always.admit("a")], [0, 0], "in a new window it is told again");
  for (let i = 0; i < 10_000; i++) sampler.admit(String(i));
  t.equal(sampler.admit("another"), 0, "what it remembers is bounded");
  t.end();
});
