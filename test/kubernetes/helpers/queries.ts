/** One use of a metric in a query: by its name, with the labels that it is asked for. */
export interface Use {
  readonly metric: string;
  /** Label names, each with the values that may be written for it; none where the pattern is open (`.*`, a variable). */
  readonly labels: ReadonlyMap<string, readonly string[]>;
}

const A_USE = /\b((?:inthon|process|nodejs)_\w+)(?:\{([^}]*)\})?/g;
const A_MATCHER = /(\w+)(?:=~|!~|!=|=)"([^"]*)"/g;
const GROUPED = /\b(?:by|without) \(([^)]*)\)/g;

/** The metrics of ours that a query of Prometheus names. */
export function usesIn(query: string): Use[] {
  return [...query.matchAll(A_USE)].map(([, metric = "", selector = ""]) => {
    const matchers = [...selector.matchAll(A_MATCHER)];
    return {
      metric,
      labels: new Map(
        matchers.map(([, label = "", value = ""]) => [
          label,
          /[.$]/.test(value) ? [] : value.split("|"),
        ]),
      ),
    };
  });
}

/** The labels by which a query groups. */
export function groupsIn(query: string): string[] {
  return [...query.matchAll(GROUPED)].flatMap(([, list = ""]) => list.split(/ *, */));
}
