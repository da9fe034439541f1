import { Histogram, type HistogramConfiguration } from "prom-client";
import type { Distribution } from "../distribution.js";

/** Distributions under the values of one label, or one without a label. */
export type Sources = readonly (readonly [Readonly<Record<string, string>>, Distribution])[];

/**
 * A histogram whose numbers are somewhere else: prom-client's own takes values one by one, each for the price of a hundred
 * deliveries.
 */
export class DistributionMetric extends Histogram {
  readonly #configuration: HistogramConfiguration<string>;
  readonly #sources: Sources;

  constructor(configuration: HistogramConfiguration<string>, sources: Sources) {
    super(configuration);
    this.#configuration = configuration;
    this.#sources = sources;
  }

  /** What prom-client asks for its numbers. Private there: listed in test/dependencies/private-parts.md. */
  getForPromString(): Promise<object> {
    const { name, help } = this.#configuration;
    return Promise.resolve({
      name,
      help,
      type: "histogram",
      aggregator: "sum",
      values: this.#sources.flatMap((source) => valuesOf(name, ...source)),
    });
  }
}

function valuesOf(
  name: string,
  sharedLabels: Readonly<Record<string, string>>,
  { bounds, counts, sum }: Distribution,
): readonly object[] {
  let total = 0;
  const buckets = [...bounds, "+Inf"].map((le, range) => {
    total += counts[range] ?? 0;
    return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: total };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
    { metricName: `${name}_count`, labels: {}, sharedLabels, value: total },
  ];
}
