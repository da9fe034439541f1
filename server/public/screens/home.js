// The first page: which lecture, and as whom.

import { randomId } from "../line/ids.js";
import { language, otherLanguage, switchLanguage, t } from "../words/words.js";
import { STRINGS } from "../words/strings.js";
import { h } from "./dom.js";
// Tokens behind # are taken here, too: the screens that this page leads to have no #.
import "../line/tokens.js";

export function createHome({ session }) {
  const input = h("input", {
    id: "session",
    name: "session",
    value: session,
    required: true,
    maxlength: 64,
    pattern: "[A-Za-z0-9_\\-]+",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": "session-hint",
  });
  const fresh = h("button", { type: "button", class: "quiet" }, t("newSession"));
  fresh.addEventListener("click", () => (input.value = randomId()));
  const as = (role, title, hint) =>
    h(
      "button",
      { type: "submit", name: "role", value: role, class: `choice ${role}` },
      h("strong", {}, t(title)),
      h("span", {}, t(hint)),
    );
  return h(
    "main",
    { class: "home" },
    h(
      "header",
      {},
      h("img", { src: "favicon.svg", alt: "", width: 40, height: 40 }),
      languageSwitch(),
    ),
    h("h1", {}, t("appName")),
    h("p", { class: "tagline" }, t("tagline")),
    h(
      "form",
      { method: "get", action: "/", "aria-label": t("chooseTitle") },
      h("label", { for: "session" }, t("sessionLabel")),
      h("div", { class: "row" }, input, fresh),
      h("p", { class: "hint", id: "session-hint" }, t("sessionHint")),
      h(
        "div",
        { class: "choices" },
        as("teacher", "asTeacher", "asTeacherHint"),
        as("student", "asStudent", "asStudentHint"),
      ),
    ),
    h("p", { class: "hint" }, t("bothHint")),
  );
}

/** Leads to the other language, and says so in it. */
export function languageSwitch() {
  return h(
    "button",
    { type: "button", class: "quiet language", lang: otherLanguage, onclick: switchLanguage },
    STRINGS[language].otherLanguage,
  );
}
