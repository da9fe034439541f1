import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import {
  context,
  ROOT_CONTEXT,
  trace,
  type Context,
  type ContextManager,
} from "@opentelemetry/api";
import t, { type Test } from "tap";
import { connect, parseTraceparent } from "@inthon/emitter";
import { CLIENT_KINDS, join } from "../helpers/clients/clients.js";
import { Inbox } from "../helpers/clients/inbox.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startServer } from "../helpers/processes/server-process.js";

interface Line {
  readonly msg: string;
  readonly trace_id?: string;
  readonly parent_id?: string;
  readonly offset?: string;
}

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const SAMPLED = `00-${TRACE}-${SPAN}-01`;
const WITHOUT = [
  ["not sampled", `00-${TRACE}-${SPAN}-00`],
  ["upper case", SAMPLED.toUpperCase()],
  ["no trace", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["no span", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["version ff", `ff-${TRACE}-${SPAN}-01`],
  ["too long", `${SAMPLED}-more`],
  ["nonsense", "nonsense"],
  ["empty", ""],
] as const;

/** Two replicas on one Redis, or one alone; what they log; and who publishes, by each way that there is. */
async function open(t: Test, kind: "redis" | "memory") {
  const lines = new Inbox<Line>();
  const onLine = (line: string) => {
    lines.add(JSON.parse(line) as Line);
  };
  const cluster =
    kind === "redis"
      ? await startCluster({
          replicas: 2,
          onLine: (_node, line) => {
            onLine(line);
          },
        })
      : undefined;
  const alone = cluster ? undefined : await startServer({ onLine });
  t.teardown(() => cluster?.stop() ?? alone?.stop());
  const urls = cluster?.replicas.map(({ url }) => url) ?? [alone?.url ?? ""];
  const targets = cluster ? [cluster.redisUrl, urls[0] ?? ""] : urls;
  const emitters = await Promise.all(targets.map((target) => connect(target)));
  t.teardown(() => Promise.all(emitters.map((emitter) => emitter.close())));
  return { lines, urls, emitters };
}

for (const kind of ["memory", "redis"] as const) {
  void t.test(
    `${kind}: a trace goes with an event to where it is told, and no further`,
    async (t) => {
      const { lines, urls, emitters } = await open(t, kind);
      const session = randomUUID();
      const clients = await Promise.all(
        urls.flatMap((url) =>
          CLIENT_KINDS.map((kind) => join({ url, session, role: "student", kind })),
        ),
      );
      t.teardown(() => Promise.all(clients.map((client) => client.close())));
      const told = (offset: string | undefined) =>
        lines.items.filter((line) => line.msg === "told" && line.offset === offset);
      const event = { capture_url: null, created_at: "2026-01-01T00:00:00Z" };
      for (const emitter of emitters) {
        for (const [why, traceparent] of WITHOUT) {
          const note = `${why} ${randomUUID()}`;
          await emitter.emit(session, "important", { ...event, note }, { traceparent });
        }
        const note = randomUUID();
        const options = { traceparent: SAMPLED };
        const { offsets } = await emitter.emit(session, "important", { ...event, note }, options);
        await lines.until(() => told(offsets.student).length === urls.length);
        for (const line of told(offsets.student)) {
          t.match(line, {
            trace_id: TRACE,
            parent_id: SPAN,
            session,
            role: "student",
            event: "important",
            connections: CLIENT_KINDS.length,
            ms: Number,
          });
        }
        for (const { inbox } of clients) {
          const { json } = await inbox.next(({ object }) => object["note"] === note);
          t.equal(json, JSON.stringify({ event: "important", note, ...event }), "nothing beside");
        }
      }
      const all = lines.items.filter((line) => line.msg === "told");
      t.equal(all.length, emitters.length * urls.length, "and of no other");
    },
  );
}

void t.test("of an event that nobody hears, the trace says so", async (t) => {
  const { lines, urls, emitters } = await open(t, "memory");
  const session = randomUUID();
  const url = urls[0] ?? "";
  const client = await join({ url, session, role: "teacher", kind: "plain" });
  t.teardown(() => client.close());
  const other = await join({ url, session, role: "student", kind: "plain" });
  await other.close();
  await lines.until((all) => all.some(({ msg }) => msg === "disconnected"));
  const important = { note: "", capture_url: null };
  await emitters[0]?.emit(session, "important", important, { traceparent: SAMPLED });
  t.match(await lines.next(({ msg }) => msg === "told"), { connections: 0 });
});

/** As an SDK would do it. */
class TestContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();
  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }
  with: ContextManager["with"] = (active, task, self, ...args) =>
    this.#storage.run(active, () => task.call(self as never, ...args));
  bind<T>(_active: Context, target: T): T {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    return this;
  }
}

void t.test("without a traceparent it is the active span, where there is an SDK", async (t) => {
  const { lines, urls, emitters } = await open(t, "memory");
  context.setGlobalContextManager(new TestContexts());
  t.teardown(() => {
    context.disable();
  });
  const session = randomUUID();
  const url = urls[0] ?? "";
  const client = await join({ url, session, role: "student", kind: "plain" });
  t.teardown(() => client.close());
  const spanContext = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };
  const active = trace.setSpanContext(ROOT_CONTEXT, spanContext);
  const important = { note: "", capture_url: null };
  await context.with(active, () => emitters[0]?.emit(session, "important", important));
  t.match(await lines.next(({ msg }) => msg === "told"), { trace_id: TRACE, parent_id: SPAN });
});

void t.test("a traceparent of a version to come is read as far as it is known", (t) => {
  t.same(parseTraceparent(`01-${TRACE}-${SPAN}-03-more`), { traceId: TRACE, spanId: SPAN });
  for (const [why, text] of WITHOUT) t.equal(parseTraceparent(text), undefined, why);
  t.equal(parseTraceparent(7), undefined);
  t.end();
});
