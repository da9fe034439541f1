// One connection, found in the whole cluster by who it belongs to or by its id.

import { ask } from "../access.js";
import { h, say } from "../shared/screens/dom.js";
import { why } from "../stream.js";
import { age, number, t } from "../words.js";

/** @param onLook - called with the session of a connection that somebody wants to see */
export function createFind({ onLook }) {
  const by = h(
    "select",
    { id: "find-by" },
    h("option", { value: "user" }, t("byUser")),
    h("option", { value: "id" }, t("byId")),
  );
  const what = h("input", {
    id: "find-what",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    maxlength: "255",
  });
  const button = h("button", { type: "submit" }, t("findNow"));
  const result = h("p", { role: "status", class: "hint", "data-testid": "found" });
  const list = h("ul", { class: "found" });
  const form = h(
    "form",
    { class: "find" },
    h("div", {}, h("label", { for: "find-by" }, t("findBy")), by),
    h("div", {}, h("label", { for: "find-what" }, t("findWhat")), what),
    button,
  );
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    void find();
  });

  async function find() {
    button.disabled = true;
    list.replaceChildren();
    say(result, t("finding"));
    try {
      const query = new URLSearchParams({ [by.value]: what.value.trim() });
      const response = await ask(`connections?${query}`);
      if (response.ok) show(await response.json());
      else say(result, t("foundFailed", { why: await why(response) }));
    } catch {
      say(result, t("lost"));
    } finally {
      button.disabled = false;
    }
  }

  function show({ connections, has_more, silent }) {
    const count = connections.length;
    const words = [
      count === 0 ? t("foundNone") : t("found", { count: number(count) }),
      has_more && t("foundMore"),
      silent > 0 && t("foundSilent", { count: number(silent) }),
    ];
    say(result, words.filter(Boolean).join(" "));
    list.replaceChildren(...connections.map((each) => make(each, onLook)));
  }

  return {
    root: h(
      "section",
      { "aria-labelledby": "find-title" },
      h("h2", { id: "find-title" }, t("find")),
      form,
      result,
      list,
    ),
  };
}

function make(found, onLook) {
  const { connection, session, role, user, address, protocol, replica } = found;
  const rows = [
    [t("user"), user ?? t("none")],
    [t("replica"), replica],
    [t("protocol"), protocol],
    [t("address"), address ?? t("none")],
    [t("since"), age(found.connected_s)],
    [t("toldFrom"), found.from],
    [t("toldTo"), found.is_behind ? `${found.to} (${t("isBehind")})` : found.to],
  ];
  return h(
    "li",
    {},
    h(
      "p",
      {},
      h(
        "button",
        { class: "link", type: "button", onclick: () => onLook(session) },
        t("foundWho", { role: t(role), session }),
      ),
      " ",
      h("code", {}, connection),
    ),
    h(
      "dl",
      {},
      ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
  );
}
