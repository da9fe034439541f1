// The operator's view: one stream tells all that is shown; `?session=…` is the session that is looked at besides.

import { hasKey, setKey } from "./access.js";
import { createFind } from "./parts/find.js";
import { createHappened } from "./parts/happened.js";
import { createReplicas } from "./parts/replicas.js";
import { createSession } from "./parts/session.js";
import { createSessions } from "./parts/sessions.js";
import { h, say } from "./shared/screens/dom.js";
import { openStream } from "./stream.js";
import { createTotals } from "./parts/totals.js";
import { language, otherLanguage, switchLanguage, t } from "./words.js";

document.documentElement.lang = language;
document.title = `${t("title")} · Inthon Realtime`;

const state = h("p", { class: "line", role: "status", "data-testid": "state" });
const stale = h("p", { class: "stale", role: "status", hidden: true });
const key = createKeyForm();
const totals = createTotals();
const replicas = createReplicas();
const sessions = createSessions({ onLook: lookFrom });
const session = createSession({ onLook: look });
const happened = createHappened();
const find = createFind({ onLook: lookFrom });

document.body.append(
  h("a", { class: "skip", href: "#replicas" }, t("skip")),
  h(
    "header",
    { class: "masthead" },
    h(
      "h1",
      {},
      h("img", { src: "operator/shared/favicon.svg", alt: "", width: 28, height: 28 }),
      t("title"),
    ),
    state,
    h(
      "button",
      { class: "quiet", type: "button", lang: otherLanguage, onclick: switchLanguage },
      t("otherLanguage"),
    ),
  ),
  h(
    "main",
    { class: "operator" },
    key.root,
    stale,
    totals.root,
    replicas.root,
    h("div", { class: "columns" }, sessions.root, happened.root),
    h("div", { class: "columns" }, session.root, find.root),
  ),
);

let stream;
open(new URLSearchParams(location.search).get("session") ?? undefined);

function look(name) {
  const query = name === undefined ? "" : `?${new URLSearchParams({ session: name })}`;
  history.replaceState(null, "", location.pathname + query);
  open(name);
}

/** From elsewhere on the page. */
function lookFrom(name) {
  look(name);
  session.root.focus();
}

function open(name) {
  stream?.close();
  session.begin(name);
  const query = name === undefined ? "" : `?${new URLSearchParams({ session: name })}`;
  const mine = openStream(`stream${query}`, {
    state(phase, why) {
      document.body.dataset.state = phase;
      say(state, t(phase, { why }));
      // Who comes back is told the newest events anew.
      if (phase === "live") {
        key.hide();
        session.begin(name);
      }
    },
    refused(why) {
      document.body.dataset.state = "refused";
      say(state, "");
      key.ask(why, () => open(name));
    },
    event(kind, data) {
      if (mine !== stream) return;
      if (kind === "overview") draw(data);
      else if (kind === "session") session.onState(data);
      else session.onTold(data);
    },
  });
  stream = mine;
}

function draw(overview) {
  stale.hidden = overview.trouble === null;
  say(stale, overview.trouble === null ? "" : t("stale", { code: overview.trouble }));
  for (const part of [totals, replicas, sessions, happened]) part.draw(overview);
}

/** Asks for a key where the server does. */
function createKeyForm() {
  const input = h("input", {
    id: "key",
    type: "password",
    autocomplete: "off",
    required: true,
    "aria-describedby": "key-hint",
  });
  const hint = h("p", { class: "hint", id: "key-hint", role: "status" }, t("keyHint"));
  const form = h(
    "form",
    { class: "card", hidden: true },
    h("label", { for: "key" }, t("keyLabel")),
    h("div", { class: "row" }, input, h("button", { type: "submit" }, t("keyUse"))),
    hint,
  );
  let given;
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    setKey(input.value.trim());
    form.reset();
    given?.();
  });
  return {
    root: form,
    hide: () => (form.hidden = true),
    ask(why, then) {
      given = then;
      form.hidden = false;
      say(hint, hasKey() ? `${t("keyWrong")} ${t("away", { why })}` : t("keyHint"));
      input.focus();
    },
  };
}
