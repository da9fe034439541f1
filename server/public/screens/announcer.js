// How the page says things: short notes that are seen and read out, and news that are only read out, never in a stream.

import { t } from "../words/words.js";
import { h } from "./dom.js";

const TOAST_MS = 6_000;
/** What happens within so long is told in one sentence. */
const GATHER_MS = 3_000;

export function createAnnouncer() {
  const toastPlace = h("output", { class: "toast", hidden: true, "data-testid": "toast" });
  const news = h("p", { class: "unseen", role: "status" });
  let hide;
  let gathered = [];

  return {
    root: h("div", { class: "announcer" }, toastPlace, news),
    toast(text, tone = "good") {
      toastPlace.hidden = false;
      toastPlace.dataset.tone = tone;
      toastPlace.textContent = text;
      clearTimeout(hide);
      hide = setTimeout(() => (toastPlace.hidden = true), TOAST_MS);
    },
    tell(text) {
      if (gathered.length === 0) {
        setTimeout(() => {
          const [first] = gathered;
          const isOne = gathered.every((each) => each === first) && gathered.length === 1;
          news.textContent = isOne ? first : t("sayMany", { count: gathered.length });
          gathered = [];
        }, GATHER_MS);
      }
      gathered.push(text);
    },
  };
}
