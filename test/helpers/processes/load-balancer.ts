import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { onPort } from "./ports.js";
import { type Exit, Launched } from "./server-process.js";
import { ensureTool, findTool } from "../tools/tools.js";

const readyTimeoutMs = 15_000;

export interface LoadBalancerOptions {
  /** The replicas, on 127.0.0.1. By default they are called `replica-1` and so on. */
  readonly replicas: readonly { readonly port: number; readonly nodeId?: string }[];
  /** By default any free port. */
  readonly port?: number | undefined;
  /** By default 127.0.0.1. */
  readonly host?: string;
  /** Of a cluster whose pages may kill replicas: this door is below `/cluster/`, and a page is told who serves it. */
  readonly door?: { readonly port: number } | undefined;
  /** By default HAProxy, or nginx where only that is installed. */
  readonly kind?: "haproxy" | "nginx";
}

/** Starts a load balancer, and resolves when it answers for a replica that is ready. */
export async function startLoadBalancer(options: LoadBalancerOptions): Promise<LoadBalancer> {
  const kind = options.kind ?? (await installedKind());
  const file = await ensureTool(kind);
  const dir = await mkdtemp(join(tmpdir(), "inthon-balancer-"));
  try {
    return await onPort(options.port, async (port) => {
      const host = options.host ?? "127.0.0.1";
      const replicas = options.replicas.map(({ port, nodeId }, i) => ({
        port,
        name: nodeId ?? `replica-${i + 1}`,
      }));
      const config = join(dir, "balancer.conf");
      await writeFile(
        config,
        withDoor[kind](
          configure(await readFile(files[kind], "utf8"), `${host}:${port}`, replicas),
          replicas,
          options.door?.port,
        ),
      );
      const main = join(dir, "main.conf");
      if (kind === "nginx") await writeFile(main, nginxMain(config));
      const process = await Launched.start(file, argumentsFor[kind]({ config, main, dir }));
      await waitUntilReady(process, port);
      return new LoadBalancer(kind, port, process, dir);
    });
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

async function installedKind(): Promise<"haproxy" | "nginx"> {
  if (findTool("haproxy") === undefined && findTool("nginx") !== undefined) return "nginx";
  await ensureTool("haproxy");
  return "haproxy";
}

/** A load balancer in front of the replicas, by the files in `server/load-balancers/`. */
export class LoadBalancer {
  readonly kind: "haproxy" | "nginx";
  readonly port: number;
  readonly url: string;
  readonly #process: Launched;
  readonly #dir: string;

  /** @internal Use {@link startLoadBalancer}. */
  constructor(kind: "haproxy" | "nginx", port: number, process: Launched, dir: string) {
    this.kind = kind;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#process = process;
    this.#dir = dir;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<Exit> {
    return this.#process.exited;
  }

  output(): string {
    return this.#process.output();
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

interface Paths {
  readonly config: string;
  readonly main: string;
  readonly dir: string;
}

/** One process each, without a master: its pid is the balancer, and its end is the end of it. */
const argumentsFor = {
  haproxy: ({ config }: Paths) => ["-db", "-f", config],
  nginx: ({ main, dir }: Paths) => ["-p", dir, "-e", "stderr", "-c", main],
};

/** What an operator's nginx has around the file, for one that leaves nothing behind. */
function nginxMain(file: string): string {
  return `
daemon off;
master_process off;
pid balancer.pid;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  include ${file};
}
`;
}

const files = {
  haproxy: new URL("../../../server/load-balancers/haproxy.cfg", import.meta.url),
  nginx: new URL("../../../server/load-balancers/nginx.conf", import.meta.url),
};

/** Lines of the files that name replicas; those of the first one are repeated for each. */
const FIRST_REPLICA = /replica-1|127\.0\.0\.1:3001/;
const OTHER_REPLICAS = /replica-[23]|127\.0\.0\.1:300[23]/;

/** The file that operators get, with other addresses. */
function configure(text: string, bind: string, replicas: Addresses): string {
  return text
    .split("\n")
    .filter((line) => !OTHER_REPLICAS.test(line))
    .flatMap((line) => {
      if (!FIRST_REPLICA.test(line)) return [line.replace("127.0.0.1:3000", bind)];
      return replicas.map(({ name, port }) =>
        line.replaceAll("replica-1", name).replace("127.0.0.1:3001", `127.0.0.1:${port}`),
      );
    })
    .join("\n");
}

type Addresses = readonly { readonly name: string; readonly port: number }[];

/**
 * Leads `/cluster/` to the door. A page that names itself by `?page=` is told in a cookie which replica has its connection:
 * a plain one hears it from nobody else.
 */
const withDoor = {
  haproxy: (text: string, _replicas: Addresses, port?: number) =>
    port === undefined
      ? text
      : text
          .replace("  default_backend", "  use_backend door if { path_beg /cluster/ }\n$&")
          .replace(
            "\nbackend replicas\n",
            `
backend door
  server door 127.0.0.1:${port} no-check

backend replicas
  http-request set-var(txn.page) url_param(page) if { url_param(page) -m reg ^[a-z0-9]{1,16}$ }
  http-response add-header Set-Cookie "inthon-replica-%[var(txn.page)]=%s; Path=/; Max-Age=60; SameSite=Strict" if { var(txn.page) -m found }
`,
          ),
  nginx: (text: string, replicas: Addresses, port?: number) =>
    port === undefined
      ? text
      : `map $upstream_addr $replica_name {
${replicas.map(({ name, port }) => `  "~127\\.0\\.0\\.1:${port}$" ${name};`).join("\n")}
}
map $arg_page $replica_cookie {
  "~^[a-z0-9]+$" "inthon-replica-$arg_page=$replica_name; Path=/; Max-Age=60; SameSite=Strict";
}
${text.replace(
  "  location / {",
  `  add_header Set-Cookie $replica_cookie always;
  location /cluster/ { proxy_pass http://127.0.0.1:${port}; }
$&`,
)}`,
};

/** Neither program says when its first replica has passed a check: so it is asked. */
async function waitUntilReady(process: Launched, port: number): Promise<void> {
  const ended = process.exited.then(() => "ended" as const);
  const giveUpAt = Date.now() + readyTimeoutMs;
  while (Date.now() < giveUpAt) {
    const state = await Promise.race([ended, isReady(port)]);
    if (state === true) return;
    if (state === "ended") break;
    await delay(25);
  }
  const { code } = await process.stop();
  throw new Error(`The load balancer has no replica (exit code ${code}):\n${process.output()}`);
}

async function isReady(port: number): Promise<boolean> {
  const request = get({ host: "127.0.0.1", port, path: "/readyz", agent: false, timeout: 1000 });
  request.on("timeout", () => request.destroy(new Error("timeout")));
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.resume();
    return response.statusCode === 200;
  } catch {
    return false;
  }
}
