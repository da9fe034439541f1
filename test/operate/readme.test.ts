import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ESLint } from "eslint";
import t from "tap";
import { EVENTS } from "@inthon/emitter/protocol";
import { ENVIRONMENT_VARIABLES } from "../../server/dist/config/config.js";
import { eventually } from "../helpers/eventually.js";
import { post } from "../helpers/processes/environments.js";
import { freePort } from "../helpers/processes/ports.js";
import { blocksOf, readDocuments, type Block } from "../helpers/documents.js";
import { Launched, minimalEnvironment, startServer } from "../helpers/processes/server-process.js";
import { ROWS } from "../helpers/samples/contract.js";
import { startTcpProxy } from "../helpers/tcp-proxy.js";
import { ensureTool } from "../helpers/tools/tools.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
// Inside the repository, so that the snippets find the packages that a reader has installed.
const scratch = join(root, "test/output/readme");
const KEY = "a-key-of-your-service";
const MAX_PICTURE_BYTES = 150 * 1024;

/** Every block that the README and what it leads to have, by how it begins. A new one fails the test until it is run here. */
const BLOCKS = {
  start: "npm ci && npm start",
  students: "// students.mjs",
  curl: "curl http://localhost:3000/sessions/lecture-1/events \\\n  -H 'Content-Type: application/json' \\\n  -d",
  cluster: "npm run cluster",
  test: "npm ci && npm test",
  connected: '{ "event": "connected"',
  student: "// student.ts",
  resuming: "// resuming.mjs",
  curlStream: "curl -N ",
  listening: "// listening.mjs",
  token: "// token.mjs",
  withToken: "// with-token.ts",
  publish: "// publish.ts",
  curlWithKey:
    "curl http://localhost:3000/sessions/lecture-1/events \\\n  -H 'Content-Type: application/json' \\\n  -H 'Authorization",
  read: "curl http://localhost:3000/sessions/lecture-1\n",
  session: '{ "session_id": "lecture-1", "teacher_online"',
  history: '{ "session_id": "lecture-1", "role"',
  kustomize: "kubectl kustomize",
  sentinels: "redis-server --bind",
  failover: "redis-cli -p 6379 CLIENT PAUSE",
  // Both run by test/kubernetes/without-kubernetes.test.ts.
  rules: "sed -n '/^  groups:/",
  prometheus: "rule_files:",
  // Run by test/sizing/sizing.test.ts.
  size: "npm run size",
  // Run by test/publish/rights.test.ts.
  rights: "ACL SETUSER server",
} as const;

const blocks = blocksOf(await readDocuments());

function block(name: keyof typeof BLOCKS): Block {
  const found = blocks.find(({ text }) => text.startsWith(BLOCKS[name]));
  if (!found) throw new Error(`the README has no block that begins: ${BLOCKS[name]}`);
  return found;
}

function shown(name: keyof typeof BLOCKS): object {
  return JSON.parse(block(name).text) as object;
}

/** An answer without what differs each time: numbers, offsets and times, and all but the first of an array. */
function shape(answer: object): unknown {
  return JSON.parse(JSON.stringify(answer), (_name, value: unknown) => {
    if (Array.isArray(value)) return value.slice(0, 1) as unknown[];
    if (typeof value === "number") return 0;
    return typeof value === "string" ? value.replace(/^\d[-\dT:.Z]+$/, "...") : value;
  });
}

/** As GitHub makes them of headings. */
function anchorOf(heading: string): string {
  const title = heading.replace(/^#+ /, "").toLowerCase();
  return title.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-");
}

/** What Ctrl-C in a terminal does: it reaches npm and everything that npm has started. */
async function interrupt(command: Launched): Promise<void> {
  process.kill(-command.pid, "SIGINT");
  await command.exited;
}

void t.test("the README", async (t) => {
  await mkdir(scratch, { recursive: true });
  t.teardown(() => rm(scratch, { recursive: true, force: true }));

  await t.test("has no block that is not run here", (t) => {
    const starts = Object.values(BLOCKS);
    const unknown = blocks.filter(({ text }) => !starts.some((start) => text.startsWith(start)));
    t.strictSame(unknown, []);
    t.equal(blocks.length, starts.length);
    t.end();
  });

  await t.test("has no link that leads nowhere, nor have those that it leads to", async (t) => {
    const anchorsOf = async (file: string) =>
      (await readFile(file, "utf8")).match(/^#+ .*$/gm)?.map(anchorOf) ?? [];
    const seen = new Set([join(root, "README.md")]);
    for (const file of seen) {
      const markdown = await readFile(file, "utf8");
      for (const [, link = ""] of markdown.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(link)) continue;
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? file : join(dirname(file), path);
        t.ok(existsSync(target), `${relative(root, file)}: ${link}`);
        if (target.endsWith(".md")) seen.add(target);
        if (anchor !== undefined) t.ok((await anchorsOf(target)).includes(anchor), link);
      }
    }
    t.ok(seen.size > 5, "documents of the operator's, the clients' and the emitter's");
  });

  await t.test("has a Korean sibling with the same snippets, names and links", async (t) => {
    const [english = "", korean = ""] = await Promise.all(
      ["README.md", "README.ko.md"].map(async (name) => readFile(join(root, name), "utf8")),
    );
    t.strictSame(blocksOf(korean), blocksOf(english));
    const namesOf = (text: string) =>
      [...text.matchAll(/^\| (?:`([^`]+)`|(\d{3}) )/gm)].map(([, name, status]) => name ?? status);
    t.ok(namesOf(english).length > 30, "events, claims, codes and statuses");
    t.strictSame(namesOf(korean), namesOf(english));
    const linksOf = (text: string) =>
      new Set([...text.matchAll(/\]\(([^)\s#][^)\s]*)\)/g)].map(([, link = ""]) => link));
    const missing = [...linksOf(english)].filter((link) => !linksOf(korean).has(link));
    t.strictSame(missing, ["README.ko.md"]);
    const picture = await readFile(join(root, "test/page/classroom.png"));
    t.ok(picture.length < MAX_PICTURE_BYTES, "the screenshot is quickly there");
  });

  await t.test(
    "what is saved from it in the clone is passed over by Git and the linter",
    async (t) => {
      const files = blocks.flatMap(({ text }) => /^\/\/ (\S+\.m?[jt]s)\n/.exec(text)?.[1] ?? []);
      t.ok(files.includes("students.mjs") && files.includes("publish.ts"));
      const linter = new ESLint({ cwd: root });
      for (const file of files) {
        await t.resolves(run("git", ["check-ignore", "-q", file], { cwd: root }), `Git, ${file}`);
        t.ok(await linter.isPathIgnored(join(root, file)), `the linter, ${file}`);
      }
    },
  );

  const port = await freePort();
  const url = `localhost:${String(port)}`;
  const here = (text: string) => text.replaceAll("localhost:3000", url);
  // `npm ci` has run: it would take away the packages that this test runs on.
  const start = block("start").text.trim().split(" && ");
  t.strictSame(start, ["npm ci", "npm start"]);
  const server = await Launched.start("npm", ["start"], {
    env: { ...minimalEnvironment(), HOST: "127.0.0.1", PORT: String(port) },
  });
  t.teardown(() => interrupt(server));
  await server.waitForLine((line) => (line.includes('"listening"') ? line : undefined));

  const script = async (name: keyof typeof BLOCKS, file: string) => {
    const path = join(scratch, file);
    await writeFile(path, here(block(name).text));
    return path;
  };
  const launch = async (file: string, args: readonly string[]) => {
    const child = await Launched.start(file, args);
    t.teardown(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    return child;
  };
  const node = (path: string, ...options: readonly string[]) =>
    launch(process.execPath, ["--import=tsx", ...options, path]);
  const bash = (text: string) => run("bash", ["-c", here(text)]);
  const heardBy = (child: Launched) => (text: string) =>
    child.waitForLine((line) => (line.includes(text) ? line : undefined));

  await t.test("first screen: two students print what curl publishes", async (t) => {
    await ensureTool("curl");
    const students = await node(await script("students", "students.mjs"));
    const hears = heardBy(students);
    await Promise.all([hears("Socket.IO: connected"), hears('WebSocket: {"event":"connected"')]);
    const both = Promise.all([
      hears("Socket.IO: important"),
      hears('WebSocket: {"event":"important"'),
    ]);
    t.match((await bash(block("curl").text)).stdout, '"duplicate":false');
    t.match(await both, [/important/, /Look at this again/]);
  });

  await t.test("connecting: what it shows of `connected` is what is sent", (t) => {
    t.strictSame(JSON.parse(block("connected").text), {
      event: "connected",
      session_id: "lecture-1",
      role: "student",
      teacher_online: false,
    });
    t.end();
  });

  await t.test("clients and the emitter work as shown, to the end of the lecture", async () => {
    const student = await node(await script("student", "student.ts"));
    const resuming = await node(await script("resuming", "resuming.mjs"));
    const listening = await node(
      await script("listening", "listening.mjs"),
      "--experimental-eventsource",
    );
    await ensureTool("curl");
    const curl = await launch("bash", ["-c", `exec ${here(block("curlStream").text)}`]);
    await Promise.all([
      heardBy(student)("recovered: false"),
      heardBy(resuming)("event: 'connected'"),
      heardBy(listening)("listening from"),
      heardBy(curl)("event: connected"),
    ]);
    const heard = Promise.all([
      heardBy(listening)("nothing more is told"),
      heardBy(curl)('data: {"event":"session_ended"}'),
      heardBy(student)("the lecture is over"),
      heardBy(resuming)("event: 'session_ended'"),
    ]);
    const publisher = await node(await script("publish", "publish.ts"));
    const { code } = await publisher.exited;
    if (code !== 0) throw new Error(publisher.output());
    await heard;
  });

  await t.test("a listener that loses its link goes on, whatever it was told last", async (t) => {
    const link = await startTcpProxy(port);
    t.teardown(() => link.stop());
    const path = join(scratch, "over-a-link.mjs");
    const session = "another-lecture";
    const text = block("listening").text.replaceAll("lecture-1", session);
    await writeFile(path, text.replaceAll("localhost:3000", `127.0.0.1:${String(link.port)}`));
    const listening = await launch(process.execPath, ["--experimental-eventsource", path]);
    await heardBy(listening)("listening from");
    const told = ROWS.filter(({ audience }) => audience.includes("student"));
    for (const event of new Map(told.map(({ publish }) => [publish.event, publish])).values()) {
      t.equal((await post(`http://${url}`, session, event)).status, 202);
      await heardBy(listening)(`event: '${event.event}'`);
    }
    const times = () => listening.output().split("listening from").length;
    const before = times();
    link.cut();
    await eventually(() => Promise.resolve(times() > before));
    t.notMatch(listening.output(), "load everything anew");
    await post(`http://${url}`, session, { event: "session_ended" });
    t.match(await listening.exited, { code: 0 }, "and ends with the lecture");
  });

  await t.test("a token made as shown lets the client in that sends it as shown", async (t) => {
    const JWT_SECRET = randomBytes(32).toString("hex");
    const guarded = await startServer({ env: { JWT_SECRET } });
    t.teardown(() => guarded.stop());
    const maker = await Launched.start(process.execPath, [await script("token", "token.mjs")], {
      env: { ...minimalEnvironment(), JWT_SECRET },
    });
    const TOKEN = await maker.waitForLine((line) => line);
    const path = join(scratch, "at-guarded.ts");
    const text = block("withToken").text.replaceAll("localhost:3000", new URL(guarded.url).host);
    await writeFile(path, text);
    const stranger = join(scratch, "at-guarded.mjs");
    const students = block("students").text;
    await writeFile(stranger, students.replaceAll("localhost:3000", new URL(guarded.url).host));
    const strangers = await launch(process.execPath, ["--import=tsx", stranger]);
    await Promise.all([heardBy(strangers)("Socket.IO: "), heardBy(strangers)("WebSocket: ")]);
    for (const [token, says] of [
      [TOKEN, "let in"],
      ["another", "unauthorized"],
    ] as const) {
      const child = await Launched.start(process.execPath, ["--import=tsx", path], {
        env: { ...minimalEnvironment(), TOKEN: token },
      });
      t.teardown(async () => {
        child.kill("SIGKILL");
        await child.exited;
      });
      await heardBy(child)(says);
    }
  });

  await t.test("its TypeScript compiles in the strictest settings", async () => {
    await script("student", "student.ts");
    await script("publish", "publish.ts");
    await script("withToken", "with-token.ts");
    const config = {
      extends: "../../../tsconfig.json",
      compilerOptions: { noEmit: true },
      files: ["student.ts", "publish.ts", "with-token.ts"],
      references: [],
    };
    await writeFile(join(scratch, "tsconfig.json"), JSON.stringify(config));
    await run(join(root, "node_modules/.bin/tsc"), ["-p", scratch]);
  });

  await t.test("the other commands over HTTP work as shown", async (t) => {
    await ensureTool("curl");
    t.match(block("curlWithKey").text, KEY);
    t.match((await bash(block("curlWithKey").text)).stdout, '"duplicate":false');
    const [session = "", history = ""] = block("read").text.trim().split("\n");
    const answered = async (command: string) => JSON.parse((await bash(command)).stdout) as object;
    t.strictSame(shape(await answered(session)), shape(shown("session")));
    t.strictSame(shape(await answered(history)), shape(shown("history")));
  });

  await t.test("npm run cluster brings the whole thing up, and Ctrl-C ends it", async (t) => {
    t.equal(block("cluster").text.trim(), "npm run cluster");
    await Promise.all([ensureTool("redis-server"), ensureTool("haproxy")]);
    const clusterPort = await freePort();
    const cluster = await Launched.start("npm", ["run", "cluster"], {
      env: { ...minimalEnvironment(), PORT: String(clusterPort) },
    });
    await cluster.waitForLine((line) =>
      line.includes("/sessions/lecture-1/events") ? line : undefined,
    );
    const response = await fetch(`http://127.0.0.1:${String(clusterPort)}/readyz`);
    t.equal(response.status, 200);
    await interrupt(cluster);
    await t.rejects(fetch(`http://127.0.0.1:${String(clusterPort)}/readyz`));
    await t.rejects(fetch(`http://127.0.0.1:${String(clusterPort + 1)}/readyz`));
  });

  await t.test("a server goes by Sentinels as shown, and a failover loses nothing", async (t) => {
    // It brings redis-cli.
    await ensureTool("redis-server");
    const ports = new Map<string, string>();
    for (const shownPort of ["6379", "6380", "26379", "26380", "26381"]) {
      ports.set(shownPort, String(await freePort()));
    }
    const moved = (text: string) =>
      text.replace(/\b2?63[78]\d\b/g, (one) => ports.get(one) ?? one).replaceAll("/tmp", scratch);
    const serverPort = String(await freePort());
    const all = await Launched.start("bash", ["-c", moved(block("sentinels").text)], {
      env: { ...minimalEnvironment(), HOST: "127.0.0.1", PORT: serverPort },
    });
    t.teardown(async () => {
      process.kill(-all.pid, "SIGKILL");
      await all.exited;
    });
    const at = `http://127.0.0.1:${serverPort}`;
    const isReady = () =>
      fetch(`${at}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    const publish = () => post(at, "lecture-1", { event: "hard_alert", capture_url: null });
    await eventually(isReady);
    t.equal((await publish()).status, 202);
    const ask = async (port: string, ...args: string[]) =>
      (await run("redis-cli", ["-p", ports.get(port) ?? "", ...args])).stdout;
    // A pause holds up what they hear of each other.
    for (const port of ["26379", "26380", "26381"]) {
      await eventually(async () =>
        (await ask(port, "SENTINEL", "MASTER", "classroom")).includes(
          "num-slaves\n1\nnum-other-sentinels\n2\n",
        ),
      );
      await eventually(async () =>
        (await ask(port, "SENTINEL", "REPLICAS", "classroom")).includes("master-link-status\nok\n"),
      );
    }
    const { stdout } = await run("bash", ["-c", moved(block("failover").text)]);
    t.match(stdout, /^OK\n[^]*\bslave0:.*offset=\d+[^]*\nmaster_repl_offset:\d+[^]*\nOK\n/);
    await eventually(async () => (await ask("6380", "ROLE")).startsWith("master"));
    await eventually(async () => (await isReady()) && (await publish()).status === 202);
    const history = await fetch(`${at}/sessions/lecture-1/events?role=student`);
    const { complete, events } = (await history.json()) as { complete: boolean; events: unknown[] };
    t.ok(complete && events.length >= 2, JSON.stringify({ complete, events }));
  });

  await t.test("kubectl builds the overlays that it names", async (t) => {
    const kubectl = await ensureTool("kubectl");
    for (const line of block("kustomize").text.trim().split("\n")) {
      const [, ...args] = line.split(" ");
      const { stdout } = await run(kubectl, args, { cwd: root });
      t.match(stdout, "kind: Deployment", line);
    }
  });

  await t.test("names every event, variable and npm script that there is", async (t) => {
    const text = await readDocuments();
    for (const [name, { audience, payload }] of Object.entries(EVENTS)) {
      const row = text.split("\n").find((line) => line.startsWith(`| \`${name}\``)) ?? "";
      t.match(row, audience.join(", "), name);
      for (const field of Object.keys(payload)) t.match(row, `\`${field}\``, name);
    }
    for (const name of ENVIRONMENT_VARIABLES) t.match(text, `| \`${name}\``);
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    for (const [, name = ""] of text.matchAll(/npm run ([a-z]+)/g)) t.ok(scripts[name], name);
  });
});
