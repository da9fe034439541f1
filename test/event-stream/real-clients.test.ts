/** Clients that nobody here has written: an EventSource in a browser and in Node.js, and curl, behind load balancers. */
import { randomUUID } from "node:crypto";
import { chromium } from "playwright-core";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { Inbox } from "../helpers/clients/inbox.js";
import { join } from "../helpers/clients/clients.js";
import { EventStream } from "../helpers/clients/event-stream.js";
import { startCluster } from "../helpers/processes/cluster.js";
import { startLoadBalancer } from "../helpers/processes/load-balancer.js";
import { Launched, minimalEnvironment } from "../helpers/processes/server-process.js";
import { ensureTool } from "../helpers/tools/tools.js";

/** For both kinds of EventSource, with `tell` for what each hears. It never closes by itself. */
const LISTEN = `
  const source = new EventSource(url);
  source.onerror = () => tell(source.readyState === EventSource.CLOSED ? "stays away" : "comes back");
  for (const name of ["connected", "important", "session_ended"]) {
    source.addEventListener(name, ({ data }) => tell(JSON.parse(data).note ?? name));
  }
`;

type Listen = (t: Test, url: string) => Promise<Inbox<string>>;

const EVENT_SOURCES: Readonly<Record<string, Listen>> = {
  "a browser": async (t, url) => {
    const browser = await chromium.launch({
      executablePath: await ensureTool("chromium"),
      args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    t.teardown(() => browser.close());
    const page = await browser.newPage();
    const heard = new Inbox<string>();
    await page.exposeFunction("tell", (text: string) => {
      heard.add(text);
    });
    await page.goto(new URL("/healthz", url).href);
    await page.evaluate(`{ const url = ${JSON.stringify(url)}; ${LISTEN} }`);
    return heard;
  },
  "Node.js": async (t, url) => {
    // By itself it lets the process end while it waits to come back.
    const alive = "setInterval(() => undefined, 60_000);";
    const code = `const url = ${JSON.stringify(url)}; const tell = console.log; ${LISTEN} ${alive}`;
    return hearing(t, process.execPath, ["--experimental-eventsource", "--eval", code]);
  },
};

async function hearing(t: Test, file: string, args: string[]): Promise<Inbox<string>> {
  const heard = new Inbox<string>();
  const onLine = (line: string) => {
    // Node.js says that it is an experiment.
    if (!/Warning|--trace-warnings/.test(line)) heard.add(line);
  };
  const child = await Launched.start(file, args, { env: minimalEnvironment(), onLine });
  t.teardown(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  return heard;
}

void t.test("an EventSource resumes by itself on another replica, and stays away", async (t) => {
  const cluster = await startCluster({ replicas: 2, loadBalancer: true });
  t.teardown(() => cluster.stop());
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const url = `${cluster.url}/ws/session/${session}/student/`;
  const clients = await Promise.all(
    Object.entries(EVENT_SOURCES).map(async ([name, listen]) => ({
      name,
      heard: await listen(t, url),
    })),
  );
  const everybody = (text: string) =>
    Promise.all(clients.map(({ heard }) => heard.next((one) => one === text)));
  const notes: string[] = [];
  const say = async (note: string) => {
    notes.push(note);
    await emitter.emit(session, "important", { note, capture_url: null });
  };
  await everybody("connected");
  for (const index of [0, 1]) {
    await say(`before ${String(index)}`);
    await everybody(`before ${String(index)}`);
    cluster.replica(index).kill("SIGKILL");
    await say(`meanwhile ${String(index)}`);
    await everybody(`meanwhile ${String(index)}`);
    await cluster.replica(index).restart();
  }
  await emitter.emit(session, "session_ended");
  await everybody("stays away");
  for (const { name, heard } of clients) {
    const told = heard.items.filter((text) => !/connected|comes back/.test(text));
    t.strictSame(told, [...notes, "session_ended", "stays away"], name);
    t.ok(heard.items.filter((text) => text === "connected").length > 1, `${name} was sent away`);
  }
});

void t.test("curl -N prints what is told, and is done when the session is", async (t) => {
  const cluster = await startCluster({ replicas: 1 });
  t.teardown(() => cluster.stop());
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const url = `${cluster.url}/ws/session/${session}/teacher/`;
  const args = ["-sSN", "-H", "Accept: text/event-stream", url];
  const heard = new Inbox<string>();
  const curl = await Launched.start(await ensureTool("curl"), args, {
    onLine: (line) => {
      if (line !== "") heard.add(line);
    },
  });
  await heard.next((line) => line === "event: connected");
  await emitter.emit(session, "feedback", { feedback_type: "OK" });
  await heard.next((line) => line.startsWith('data: {"event":"feedback","feedback_type":"OK"'));
  await emitter.emit(session, "session_ended");
  t.match(await curl.exited, { code: 0, signal: null });
  t.equal(heard.items.at(-1), 'data: {"event":"session_ended"}');
});

for (const kind of ["haproxy", "nginx"] as const) {
  void t.test(`${kind} holds nothing back, and tells at once who has gone`, async (t) => {
    await ensureTool(kind);
    const cluster = await startCluster({ replicas: 2, env: { PING_INTERVAL_MS: "300000" } });
    t.teardown(() => cluster.stop());
    const balancer = await startLoadBalancer({ kind, replicas: cluster.replicas });
    t.teardown(() => balancer.stop());
    const session = randomUUID();
    const student = await join({ url: cluster.url, session, role: "student", kind: "plain" });
    t.teardown(() => student.close());
    const teacher = await EventStream.open(balancer.url, `/ws/session/${session}/teacher/`);
    await teacher.events.next();
    const tells = (isOnline: boolean) =>
      student.inbox.next(({ object }) => object["is_online"] === isOnline);
    await tells(true);
    teacher.close();
    await tells(false);
    t.equal(student.inbox.items.length, 3);
  });
}
