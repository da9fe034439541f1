// The replicas: how they are, whom they hold, how quick they are.

import { h, say } from "../shared/screens/dom.js";
import { createTable, sayAll } from "../table.js";
import { age, duration, number, t } from "../words.js";

const PROTOCOLS = {
  websocket: "Socket.IO",
  polling: "polling",
  plain: "WebSocket",
  "event-stream": "EventSource",
};
/** Of those that do not tell any more, what they held is no more. */
const OVER = new Set(["silent", "left", "gone", "untold"]);

export function createReplicas() {
  const table = createTable({
    caption: t("replicas"),
    columns: [
      { label: t("replica"), isHead: true },
      { label: t("state") },
      { label: t("connections"), isNumber: true },
      { label: t("protocols") },
      { label: t("rooms"), isNumber: true },
      { label: t("toldPerS"), isNumber: true },
      { label: t("lag50"), isNumber: true },
      { label: t("lag99"), isNumber: true },
      { label: t("processor"), isNumber: true },
      { label: t("memory"), isNumber: true },
      { label: t("refused") },
      { label: t("up"), isNumber: true },
    ],
  });
  const waiting = h("p", { class: "hint" }, t("waiting"));
  return {
    root: h(
      "section",
      { id: "replicas", tabindex: "-1", "aria-labelledby": "replicas-title" },
      h("h2", { id: "replicas-title" }, t("replicas")),
      waiting,
      table.root,
    ),
    draw({ replicas, at }) {
      waiting.hidden = replicas.length > 0;
      table.root.hidden = replicas.length === 0;
      const keyOf = ({ node, started_at }) => `${node} ${started_at}`;
      table.draw(replicas, keyOf, (cells, replica, row) => {
        row.dataset.state = replica.state;
        row.dataset.replica = replica.node;
        fill(cells, replica, at);
      });
    },
  };
}

function fill(cells, replica, at) {
  sayAll(cells, [replica.node]);
  drawState(cells[1], replica);
  const isOver = OVER.has(replica.state);
  const all = Object.values(replica.connections).reduce((sum, count) => sum + count, 0);
  const by = Object.entries(replica.connections).filter(([, count]) => count > 0);
  const refused = Object.entries(replica.refused);
  const shown = [
    number(all),
    by.map(([name, count]) => `${PROTOCOLS[name]} ${number(count)}`).join(", ") || t("none"),
    number(replica.rooms),
    number(replica.told_per_s),
    duration(replica.lag.p50_ms),
    duration(replica.lag.p99_ms),
    `${number(replica.cpu)} %`,
    `${number(replica.memory_mib)} MiB`,
    refused.map(([code, count]) => `${code} ${number(count)}`).join(", ") || t("none"),
    replica.started_at === null ? t("none") : age((at - replica.started_at) / 1_000),
  ];
  sayAll(cells.slice(2), isOver ? shown.map(() => t("none")) : shown);
}

function drawState(cell, { state, problems }) {
  const badge = cell.firstElementChild ?? h("span", { class: "state" });
  if (!badge.isConnected) cell.append(badge);
  badge.dataset.state = state;
  say(badge, [t(`state_${state}`), ...problems].join(": "));
}
