// Where the server asks for a publish key: the form for it, which then sends again what was refused.

import { publishKey } from "../line/publish.js";
import { t } from "../words/words.js";
import { h } from "./dom.js";

export function createKeyForm() {
  const input = h("input", {
    id: "publish-key",
    name: "key",
    type: "password",
    autocomplete: "off",
    required: true,
    "aria-describedby": "publish-key-hint",
  });
  const form = h(
    "form",
    { class: "card key", hidden: true },
    h("label", { for: "publish-key" }, t("keyLabel")),
    h("div", { class: "row" }, input, h("button", { type: "submit" }, t("keyUse"))),
    h("p", { class: "hint", id: "publish-key-hint" }, t("keyHint")),
  );
  let given;
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    publishKey.set(input.value);
    form.reset();
    form.hidden = true;
    given?.();
  });
  return {
    root: form,
    /** @param then - called once when there is a key */
    ask(then) {
      given = then;
      form.hidden = false;
      input.focus();
    },
  };
}
