/** Does what `server/from-django-channels.md` says, in a clean folder, and looks at both sides after each step. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { blocksOf } from "../helpers/documents.js";
import { eventually } from "../helpers/eventually.js";
import { freePort } from "../helpers/processes/ports.js";
import { Launched, minimalEnvironment, startServer } from "../helpers/processes/server-process.js";
import { ensureTool } from "../helpers/tools/tools.js";
import type { Result } from "./lesson.js";
import { Sides } from "./sides.js";
import { ensurePackage, packageVersion, PYTHON } from "./where/process.js";

export const DJANGO = "Django Channels: the page's steps";

const PACKAGES = ["python3-django-channels", "daphne", "python3-jwt"];
const root = fileURLToPath(new URL("../..", import.meta.url));
const page = new URL("../../server/from-django-channels.md", import.meta.url);

/** Every block of the page, by how it begins. */
export const BLOCKS = {
  before: "cp -r",
  start: "PORT=3000 npm start",
  layer: '"""Channel layer',
  both: "CHANNEL_LAYERS = {  # both",
  balancer: "defaults",
  pilots: "echo pilot-1",
  publish: "curl http://localhost:8080/",
  alone: "CHANNEL_LAYERS = {  # alone",
  token: "import time",
} as const;

/** The blocks of the page: each has its place in a step. */
export async function blocksOfPage(): Promise<ReadonlyMap<keyof typeof BLOCKS, string>> {
  const texts = blocksOf(await readFile(page, "utf8")).map(({ text }) => text);
  const names = Object.keys(BLOCKS) as (keyof typeof BLOCKS)[];
  const found = texts.map((text) => {
    const name = names.find((name) => text.startsWith(BLOCKS[name]));
    if (name === undefined) throw new Error(`no step runs the block: ${text}`);
    return [name, text] as const;
  });
  const blocks = new Map(found);
  if (blocks.size !== names.length || found.length !== names.length) {
    throw new Error(`of its blocks there are ${found.map(([name]) => name).join(", ")}`);
  }
  return blocks;
}

/** @param print - told of each step */
export async function moveFromDjango(print: (line: string) => void): Promise<Result> {
  const result = { name: DJANGO, version: "", shown: {} };
  try {
    for (const name of PACKAGES) await ensurePackage(name);
    await Promise.all([ensureTool("haproxy"), ensureTool("curl")]);
  } catch (error) {
    return { ...result, missing: error instanceof Error ? error.message : String(error) };
  }
  const move = new Move(await blocksOfPage(), await mkdtemp(join(tmpdir(), "inthon-django-")));
  try {
    await move.open();
    await move.doSteps(print);
    const version = `Channels ${await packageVersion("python3-django-channels")}`;
    return { ...result, version, shown: { "each once": "both sides" } };
  } catch (error) {
    return { ...result, fault: `${String(error)}\n${move.output()}` };
  } finally {
    await move.close();
  }
}

class Move {
  readonly #blocks: ReadonlyMap<keyof typeof BLOCKS, string>;
  readonly #dir: string;
  readonly #ports = new Map<string, string>();
  readonly #running = new Map<string, Launched>();

  constructor(blocks: ReadonlyMap<keyof typeof BLOCKS, string>, dir: string) {
    this.#blocks = blocks;
    this.#dir = dir;
  }

  async open(): Promise<void> {
    for (const port of ["3000", "8000", "8080"]) this.#ports.set(port, String(await freePort()));
  }

  async close(): Promise<void> {
    for (const name of [...this.#running.keys()]) await this.#stop(name);
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** What the programs that run have written, for who looks for a fault. */
  output(): string {
    const parts = [...this.#running].map(([name, launched]) => {
      return `${name}: ${launched.output().slice(-1_500)}`;
    });
    return parts.join("\n");
  }

  /** A block, with the ports that are free here. */
  #block(name: keyof typeof BLOCKS): string {
    const text = this.#blocks.get(name) ?? "";
    return text.replace(/\b(3000|8000|8080)\b/g, (port) => this.#ports.get(port) ?? port);
  }

  #url(port: string): string {
    return `http://127.0.0.1:${this.#ports.get(port) ?? ""}`;
  }

  get #classroom(): string {
    return join(this.#dir, "classroom");
  }

  /** Starts what stays, and resolves when its port answers. */
  async #start(name: string, port: string, dir: string, text: string): Promise<void> {
    const env = { ...minimalEnvironment(), INTHON: root, LC_ALL: "C.UTF-8", HOST: "127.0.0.1" };
    const launched = await Launched.start("bash", ["-c", `cd '${dir}'\n${text}`], { env });
    this.#running.set(name, launched);
    await eventually(async () => {
      if (!this.#running.has(name)) throw new Error(`${name} has ended`);
      return fetch(`${this.#url(port)}/none`).then(
        ({ status }) => status === 404,
        () => false,
      );
    }, 60_000);
  }

  async #stop(name: string): Promise<void> {
    const launched = this.#running.get(name);
    if (launched === undefined) return;
    this.#running.delete(name);
    try {
      process.kill(-launched.pid, "SIGKILL");
    } catch {
      // it is gone
    }
    await launched.exited;
  }

  async #startDjango(): Promise<void> {
    await this.#stop("Django");
    const [, , start = ""] = this.#block("before").trim().split("\n");
    await this.#start("Django", "8000", this.#classroom, start);
  }

  async #startBalancer(): Promise<void> {
    await this.#stop("HAProxy");
    await this.#start("HAProxy", "8080", this.#classroom, this.#block("pilots"));
  }

  async #run(text: string): Promise<void> {
    await promisify(execFile)("bash", ["-c", text], { cwd: this.#classroom });
  }

  async doSteps(print: (line: string) => void): Promise<void> {
    const sides = new Sides(this.#url("8080"), this.#url("3000"));
    try {
      print("Django alone");
      await this.#start("Django", "8000", this.#dir, this.#block("before"));
      await sides.tellAlone(this.#url("8000"));

      print("both, by the layer and the balancer");
      const startOurs = () => this.#start("ours", "3000", root, this.#block("start"));
      await startOurs();
      await writeFile(join(this.#classroom, "inthon_layer.py"), this.#block("layer"));
      await appendFile(join(this.#classroom, "settings.py"), this.#block("both"));
      await this.#startDjango();
      await writeFile(join(this.#classroom, "side-by-side.cfg"), this.#block("balancer"));
      await this.#startBalancer();
      await sides.seat();
      await this.#run(this.#block("publish"));
      await sides.judgePublished();
      await sides.tellBoth();

      print("the new one away");
      await this.#stop("ours");
      await sides.tellOld();
      await startOurs();

      print("the old one goes");
      const all = this.#block("balancer").replace("lt 10", "lt 100");
      await writeFile(join(this.#classroom, "side-by-side.cfg"), all);
      await this.#startBalancer();
      await appendFile(join(this.#classroom, "settings.py"), this.#block("alone"));
      await this.#startDjango();
      await sides.tellNew();

      print("a token");
      await this.#token();
    } finally {
      await sides.close();
    }
  }

  async #token(): Promise<void> {
    const JWT_SECRET = "0123456789abcdef0123456789abcdef";
    const call = `print(token_for(type("User", (), {"pk": 7}), "lecture-1", "student", "${JWT_SECRET}"))`;
    const { stdout } = await promisify(execFile)(PYTHON, [
      "-c",
      `${this.#block("token")}\n${call}`,
    ]);
    const server = await startServer({ env: { JWT_SECRET } });
    try {
      const url = `${server.url.replace("http", "ws")}/ws/session/lecture-1/student/`;
      const socket = new WebSocket(`${url}?token=${stdout.trim()}`);
      await once(socket, "message");
      socket.close();
    } finally {
      await server.stop();
    }
  }
}
