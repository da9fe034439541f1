// Every frame as it came, with its offset. Kept as texts, and drawn only where somebody looks.

import { drawsSoon, h, keyed } from "../screens/dom.js";
import { t } from "../words/words.js";

const NEWEST = 100;
const MAX_CHARACTERS = 2_000;

export function createFrames() {
  let frames = [];
  let count = 0;
  let isShown = false;
  const list = h("ol", { "data-testid": "frames" });
  const none = h("p", { class: "none" }, t("framesNone"));
  const clear = h("button", { type: "button", class: "quiet" }, t("clear"));
  const draw = drawsSoon(() => {
    if (!isShown) return;
    none.hidden = frames.length > 0;
    keyed(list, {
      items: frames.toReversed(),
      keyOf: ({ key }) => key,
      make: ({ name, json, offset }) =>
        h(
          "li",
          { "data-event": name },
          h("code", { class: "frame-offset" }, offset ?? "–"),
          h("code", { class: "frame-json" }, json),
        ),
    });
  });
  clear.addEventListener("click", () => {
    frames = [];
    draw();
  });
  return {
    root: h(
      "div",
      { class: "frames" },
      h("div", { class: "card-head" }, h("h2", {}, t("frames")), clear),
      h("p", { class: "hint" }, t("framesHint", { count: NEWEST })),
      h(
        "div",
        { class: "frames-scroll", tabindex: "0", role: "region", "aria-label": t("frames") },
        list,
        none,
      ),
    ),
    show(shown) {
      isShown = shown;
      draw();
    },
    put({ name, event, offset }) {
      const json = JSON.stringify(event ?? { event: name }).slice(0, MAX_CHARACTERS);
      frames.push({ key: count++, name, json, offset });
      if (frames.length > NEWEST) frames.shift();
      draw();
    },
  };
}
