import type { ServerProcess } from "../../helpers/processes/server-process.js";
import { eventually } from "../../helpers/eventually.js";

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric as it is announced, with its samples. */
export interface Metric {
  readonly name: string;
  readonly type: string;
  readonly samples: Sample[];
}

/** What a replica has counted at one time. */
export class Scrape {
  readonly metrics: ReadonlyMap<string, Metric>;

  constructor(text: string) {
    const metrics = new Map<string, Metric>();
    let current: Metric | undefined;
    for (const line of text.split("\n")) {
      const [, type, name = "", kind = ""] = /^# (TYPE) (\S+) (\S+)$/.exec(line) ?? [];
      if (type) metrics.set(name, (current = { name, type: kind, samples: [] }));
      const [, sample, labels = "", value] = SAMPLE.exec(line) ?? [];
      if (sample === undefined) continue;
      if (!current || !sample.startsWith(current.name)) throw new Error(`of no metric: ${line}`);
      const pairs = [...labels.matchAll(LABEL)].map(([, key = "", text = ""]) => [key, text]);
      current.samples.push({
        name: sample,
        labels: Object.fromEntries(pairs) as Record<string, string>,
        value: Number(value),
      });
    }
    this.metrics = metrics;
  }

  /** The sum of the samples of this name whose labels have these values. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const samples = [...this.metrics.values()]
      .flatMap((metric) => metric.samples)
      .filter((sample) => sample.name === `inthon_${name}`)
      .filter((one) => Object.entries(labels).every(([key, text]) => one.labels[key] === text));
    if (samples.length === 0) throw new Error(`no sample of ${name} ${JSON.stringify(labels)}`);
    return samples.reduce((sum, { value }) => sum + value, 0);
  }
}

/** Where a replica, which has `METRICS_PORT`, has its metrics. */
export function metricsUrl(server: Pick<ServerProcess, "output">): string {
  const [, url] = /"metrics":"([^"]+)"/.exec(server.output()) ?? [];
  if (url === undefined) throw new Error("it says nowhere where its metrics are");
  return url;
}

export async function scrape(server: Pick<ServerProcess, "output">): Promise<Scrape> {
  const response = await fetch(metricsUrl(server));
  if (response.status !== 200) throw new Error(`HTTP status ${String(response.status)}`);
  return new Scrape(await response.text());
}

/** Scrapes until it is so: what happens in the server is counted a moment after a client sees it, or before. */
export async function scrapeUntil(
  server: Pick<ServerProcess, "output">,
  isSo: (scrape: Scrape) => boolean,
): Promise<Scrape> {
  let last: Scrape | undefined;
  await eventually(async () => isSo((last = await scrape(server))));
  if (!last) throw new Error("nothing was scraped");
  return last;
}
