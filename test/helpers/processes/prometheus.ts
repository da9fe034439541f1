import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ensureTool } from "../tools/tools.js";
import { onPort } from "./ports.js";
import { Launched } from "./server-process.js";

export interface PrometheusOptions {
  /** Hosts and ports, each with the labels that a cluster would give its series. */
  readonly targets: readonly {
    readonly target: string;
    readonly labels?: Readonly<Record<string, string>>;
  }[];
  /** Groups of rules, as in a file of rules. */
  readonly groups?: readonly unknown[];
}

/** A value at a time, in seconds since 1970. */
type Sample = readonly [seconds: number, value: string];

interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly state: string;
}

interface Series<Values> {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: Values;
}

/** Debian's own, which comes with `promtool`. Scrapes and evaluates each second; what it keeps goes when it stops. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const program = join(dirname(await ensureTool("promtool")), "prometheus");
  const dir = await mkdtemp(join(tmpdir(), "prometheus-"));
  const targets = options.targets.map(({ target, labels }) => ({ targets: [target], labels }));
  const rules = join(dir, "rules.yml");
  // JSON is YAML.
  await writeFile(rules, JSON.stringify({ groups: options.groups ?? [] }));
  const config = join(dir, "prometheus.yml");
  const settings = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: [rules],
    scrape_configs: [{ job_name: "inthon-server", static_configs: targets }],
  };
  await writeFile(config, JSON.stringify(settings));
  try {
    return await onPort(undefined, async (port) => {
      const address = `127.0.0.1:${String(port)}`;
      const args = [`--config.file=${config}`, `--storage.tsdb.path=${dir}/data`];
      const running = await Launched.start(program, [...args, `--web.listen-address=${address}`]);
      await running.waitForLine((line) => line.includes("ready to receive") || undefined);
      return new Prometheus(`http://${address}`, running, dir);
    });
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** A Prometheus that runs. */
export class Prometheus {
  readonly #url: string;
  readonly #running: Launched;
  readonly #dir: string;

  /** @internal Use {@link startPrometheus}. */
  constructor(url: string, running: Launched, dir: string) {
    this.#url = url;
    this.#running = running;
    this.#dir = dir;
  }

  /** The value of a query's first series now, if there is one. */
  async ask(query: string): Promise<number | undefined> {
    const { result } = await this.#get<{ result: { value: Sample }[] }>("query", { query });
    const [first] = result;
    return first && Number(first.value[1]);
  }

  /** All values of a query, of all of its series, from a time on until now, each second. */
  async since(query: string, startedAt: Date): Promise<readonly number[]> {
    const times = { start: startedAt.toISOString(), end: new Date().toISOString(), step: "1" };
    const { result } = await this.#get<{ result: Series<Sample[]>[] }>("query_range", {
      query,
      ...times,
    });
    return result.flatMap(({ values }) => values.map(([, value]) => Number(value)));
  }

  /** The names of the alerts that fire now. */
  async firing(): Promise<ReadonlySet<string>> {
    const { alerts } = await this.#get<{ alerts: Alert[] }>("alerts", {});
    const firing = alerts.filter(({ state }) => state === "firing");
    return new Set(firing.map(({ labels }) => labels["alertname"] ?? ""));
  }

  async stop(): Promise<void> {
    await this.#running.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #get<Data>(what: string, parameters: Readonly<Record<string, string>>): Promise<Data> {
    const query = new URLSearchParams(parameters).toString();
    const answer = await fetch(`${this.#url}/api/v1/${what}?${query}`);
    const { data, error } = (await answer.json()) as { data?: Data; error?: string };
    if (data === undefined) throw new Error(`Prometheus: ${error ?? String(answer.status)}`);
    return data;
  }
}
