/** Labels of a metric, each with the values that were there. */
export type Labels = ReadonlyMap<string, ReadonlySet<string>>;

const A_TYPE = /^# TYPE (\w+) \w+$/gm;
const A_SAMPLE = /^(\w+)\{([^}]*)\} /gm;
const A_LABEL = /(\w+)="([^"]*)"/g;

/** What a replica has to tell Prometheus: its metrics, by their names, a histogram's without `_bucket` and the like. */
export function readScrape(text: string): ReadonlyMap<string, Labels> {
  const metrics = new Map<string, Map<string, Set<string>>>();
  for (const [, name = ""] of text.matchAll(A_TYPE)) metrics.set(name, new Map());
  for (const [, sample = "", list = ""] of text.matchAll(A_SAMPLE)) {
    const labels = metrics.get(sample) ?? metrics.get(sample.replace(/_(bucket|sum|count)$/, ""));
    for (const [, label = "", value = ""] of list.matchAll(A_LABEL)) {
      const values = labels?.get(label) ?? new Set();
      labels?.set(label, values.add(value));
    }
  }
  return metrics;
}
