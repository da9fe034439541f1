// The cluster in a few figures.

import { h, say } from "../shared/screens/dom.js";
import { duration, number, t } from "../words.js";

const FIGURES = {
  replicas: ({ total }) => number(total.replicas),
  connections: ({ total }) => number(total.connections),
  students: ({ total }) => number(total.students),
  teachers: ({ total }) => number(total.teachers),
  toldPerS: ({ total }) => number(total.told_per_s),
  lag50: ({ lag }) => duration(lag.p50_ms),
  lag99: ({ lag }) => duration(lag.p99_ms),
};

export function createTotals() {
  const values = Object.fromEntries(
    Object.keys(FIGURES).map((name) => [name, h("dd", { "data-testid": `total-${name}` }, "–")]),
  );
  return {
    root: h(
      "section",
      { "aria-labelledby": "total-title" },
      h("h2", { class: "unseen", id: "total-title" }, t("total")),
      h(
        "dl",
        { class: "totals" },
        ...Object.entries(values).map(([name, value]) => h("div", {}, h("dt", {}, t(name)), value)),
      ),
      h("p", { class: "hint" }, t("lagHint")),
    ),
    draw(overview) {
      for (const [name, figure] of Object.entries(FIGURES)) say(values[name], figure(overview));
    },
  };
}
