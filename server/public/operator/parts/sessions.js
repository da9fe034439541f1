// The busiest sessions; each leads to what it is told.

import { h, say } from "../shared/screens/dom.js";
import { createTable, sayAll } from "../table.js";
import { number, t } from "../words.js";

/** @param onLook - called with the session that somebody wants to see */
export function createSessions({ onLook }) {
  const table = createTable({
    caption: t("busiest"),
    columns: [
      { label: t("session"), isHead: true },
      { label: t("students"), isNumber: true },
      { label: t("teachers"), isNumber: true },
      { label: t("teacherHere") },
      { label: t("events"), isNumber: true },
      { label: t("on") },
    ],
  });
  const none = h("p", { class: "hint" }, t("noSessions"));
  return {
    root: h(
      "section",
      { "aria-labelledby": "sessions-title" },
      h("h2", { id: "sessions-title" }, t("busiest")),
      none,
      table.root,
    ),
    draw({ busiest }) {
      none.hidden = busiest.length > 0;
      table.root.hidden = busiest.length === 0;
      table.draw(busiest, ({ session }) => session, fill);
    },
  };

  function fill(cells, row) {
    const [name] = cells;
    if (!name.firstElementChild) {
      name.append(
        h("button", { class: "link", type: "button", onclick: () => onLook(row.session) }),
      );
    }
    say(name.firstElementChild, row.session);
    const here = row.teacher_online === null ? "none" : row.teacher_online ? "yes" : "no";
    const students = number(row.students);
    sayAll(cells, [
      undefined,
      row.at_least ? t("atLeast", { count: students }) : students,
      number(row.teachers),
      t(here),
      number(row.events),
      row.replicas.join(", "),
    ]);
  }
}
