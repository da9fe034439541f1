// What happened: drains, deaths, warnings, errors and their ends of every replica, newest first.

import { h, keyed, say } from "../shared/screens/dom.js";
import { t, time } from "../words.js";

/** These are read out; warnings and errors are there to read, and would chatter. */
const SAID = new Set(["drains", "came", "silent", "left", "gone"]);

/** Of what the log says. */
const LEVELS = { warning: "level_warning", error: "level_error", over: "level_over" };

export function createHappened() {
  const list = h("ol", {
    class: "happened",
    "data-testid": "happened",
    tabindex: "0",
    "aria-labelledby": "happened-title",
  });
  const nothing = h("p", { class: "hint" }, t("nothing"));
  const news = h("p", { class: "unseen", role: "status" });
  let newest;
  return {
    root: h(
      "section",
      { "aria-labelledby": "happened-title" },
      h("h2", { id: "happened-title" }, t("happened")),
      nothing,
      list,
      news,
    ),
    draw({ happened }) {
      nothing.hidden = happened.length > 0;
      list.hidden = happened.length === 0;
      keyed(list, {
        items: happened,
        keyOf: ({ at, kind, node, text }) => `${at} ${kind} ${node} ${text}`,
        make,
      });
      const said = happened.find(({ kind }) => SAID.has(kind));
      // What was before this page was opened is no news.
      if (said && newest !== undefined && said.at > newest) {
        say(news, t("sayHappened", { node: said.node, what: wordsOf(said) }));
      }
      newest = said?.at ?? newest ?? 0;
    },
  };
}

function make(happening) {
  const { at, kind, node } = happening;
  const level = LEVELS[kind];
  return h(
    "li",
    { "data-kind": kind },
    h("time", { datetime: new Date(at).toISOString() }, time(at)),
    h("strong", {}, node),
    level ? h("span", { class: "level" }, t(level)) : undefined,
    // What a log says is in English.
    h("span", { class: "what", lang: level ? "en" : undefined }, wordsOf(happening)),
  );
}

function wordsOf({ kind, text }) {
  return LEVELS[kind] ? text : t(`what_${kind}`, { text });
}
