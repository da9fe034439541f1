import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { onPort } from "./ports.js";
import { type Exit, Launched } from "./server-process.js";
import { ensureTool, findTool } from "../tools/tools.js";

const readyTimeoutMs = 15_000;

export interface LoadBalancerOptions {
  /** The replicas, on 127.0.0.1. */
  readonly replicas: readonly { readonly port: number }[];
  /** By default any free port. */
  readonly port?: number | undefined;
  /** By default 127.0.0.1. */
  readonly host?: string;
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
      const config = join(dir, "balancer.conf");
      const replicas = options.replicas.map((replica) => `127.0.0.1:${replica.port}`);
      await writeFile(config, configurations[kind](`${host}:${port}`, replicas));
      const process = await Launched.start(file, argumentsFor[kind](config, dir));
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

/** A load balancer in front of the replicas, as DESIGN.md, "Behind a load balancer", has it. */
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

/** One process each, without a master: its pid is the balancer, and its end is the end of it. */
const argumentsFor = {
  haproxy: (config: string) => ["-db", "-f", config],
  nginx: (config: string, dir: string) => ["-p", dir, "-e", "stderr", "-c", config],
};

const configurations = { haproxy: haproxyConfig, nginx: nginxConfig };

/**
 * - Engine.IO polling and its upgrade carry `transport=polling` or a `sid`, and stay with one
 *   replica: hashed by client address and path. A consistent hash moves only the clients of a
 *   replica that has gone.
 * - A replica that is not ready gets no new connections and keeps those that it has, because it
 *   drains them itself: hence no `on-marked-down shutdown-sessions`.
 * - X-Forwarded-For is set, not added to: the balancer is the edge, so what the client wrote there
 *   is a claim.
 */
function haproxyConfig(bind: string, replicas: readonly string[]): string {
  const servers = replicas.map((address, i) => `  server replica-${i + 1} ${address}`).join("\n");
  return `
defaults
  mode http
  timeout connect 1s
  timeout http-request 10s
  timeout http-keep-alive 60s
  # Event streams and WebSockets may be silent for long.
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  option httpchk GET /readyz
  default-server check inter 1s fall 2 rise 1
  retries 3
  option redispatch 1

frontend public
  bind ${bind}
  http-request set-header X-Forwarded-For %[src]
  http-request set-var-fmt(txn.client) "%[src] %[path]"
  acl sticky url_param(transport) -m str polling
  acl sticky url_param(sid) -m found
  use_backend sticky if sticky
  default_backend spread

backend spread
  balance leastconn
${servers}

backend sticky
  balance hash var(txn.client)
  hash-type consistent
${servers}
`;
}

/**
 * The same with nginx, which learns that a replica is gone only from a failed request. A replica
 * that is not ready answers 503 to a new connection; the next one is tried, except for a POST that
 * a replica has already seen.
 */
function nginxConfig(bind: string, replicas: readonly string[]): string {
  const servers = replicas
    .map((address) => `    server ${address} max_fails=1 fail_timeout=1s;`)
    .join("\n");
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
  map "$arg_transport $arg_sid" $pool {
    default spread;
    "~^polling " sticky;
    "~ ." sticky;
  }
  map $http_upgrade $connection_header {
    default upgrade;
    "" "";
  }
  upstream spread {
    least_conn;
${servers}
  }
  upstream sticky {
    hash "$remote_addr $uri" consistent;
${servers}
  }
  server {
    listen ${bind};
    client_max_body_size 0; # the replicas have their own limit
    location / {
      proxy_pass http://$pool;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_header;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_connect_timeout 1s;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
      proxy_next_upstream error timeout http_503;
    }
  }
}
`;
}

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
