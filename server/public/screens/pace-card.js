// How the class follows: the share of HARD, the last ten minutes as bars, and the offer to tell everyone.

import { BAR_MS, BARS, barsUntil, isTooHard, RECENT_MS, sum } from "../lecture/pace.js";
import { t } from "../words/words.js";
import { h, keepingFocus, say, svg } from "./dom.js";
import { card } from "./parts.js";

const WIDTH = 600;
const HEIGHT = 120;
/** So that one vote is no tower. */
const LOWEST_TOP = 6;
const THRESHOLDS = [30, 40, 50, 60];
const USUAL = 40;
const KEPT = "inthon-threshold";

/** @param alert - tells everyone that many find this hard; resolves when that is out */
export function createPaceCard({ alert }) {
  const share = h("p", { class: "share", "data-testid": "share" });
  const window = h("p", { class: "hint" });
  const chart = svg("svg", {
    viewBox: `0 0 ${String(WIDTH)} ${String(HEIGHT)}`,
    preserveAspectRatio: "none",
    role: "img",
    "data-testid": "chart",
  });
  const step = WIDTH / BARS;
  const bars = Array.from({ length: BARS }, (_, index) => {
    const shared = { x: index * step + 2, width: step - 4, height: 0 };
    const ok = svg("rect", { ...shared, class: "bar-ok" });
    const hard = svg("rect", { ...shared, class: "bar-hard" });
    chart.append(ok, hard);
    return { ok, hard };
  });
  const select = h(
    "select",
    { id: "threshold" },
    ...THRESHOLDS.map((each) => h("option", { value: String(each) }, `${String(each)} %`)),
  );
  select.value = localStorage.getItem(KEPT) ?? String(USUAL);
  if (select.value === "") select.value = String(USUAL);

  let quietUntilMs = 0;
  const text = h("p");
  const send = h("button", { type: "button", class: "hard" }, t("alertSend"));
  const later = h("button", { type: "button", class: "quiet" }, t("alertLater"));
  const offer = h(
    "div",
    { class: "offer", role: "status", hidden: true, "data-testid": "offer" },
    text,
    h("div", { class: "row" }, send, later),
  );
  const dismiss = () => {
    quietUntilMs = Date.now() + RECENT_MS;
    keepingFocus(
      () => (offer.hidden = true),
      () => select,
    );
  };
  later.addEventListener("click", dismiss);
  send.addEventListener("click", async () => {
    if (await alert()) dismiss();
  });
  select.addEventListener("change", () => localStorage.setItem(KEPT, select.value));

  const { root, aside } = card(
    "pace",
    t("paceTitle"),
    h("div", { class: "pace-now" }, share, window),
    chart,
    h(
      "div",
      { class: "axis", "aria-hidden": "true" },
      h("span", {}, t("tenMinutesAgo")),
      h(
        "span",
        { class: "legend" },
        h("i", { class: "ok" }),
        t("legendOk"),
        h("i", { class: "hard" }),
        t("legendHard"),
      ),
      h("span", {}, t("now")),
    ),
    offer,
    h("div", { class: "threshold" }, h("label", { for: "threshold" }, t("threshold")), select),
  );
  aside.hidden = true;

  return {
    root,
    draw({ pace, alertedAtMs, isOver }, nowMs) {
      const recent = sum(pace, nowMs - RECENT_MS);
      const percent = recent.share === undefined ? undefined : Math.round(recent.share * 100);
      say(share, percent === undefined ? t("paceNone") : t("paceShare", { share: percent }));
      share.dataset.none = String(percent === undefined);
      say(window, percent === undefined ? "" : t("paceWindow", { votes: recent.ok + recent.hard }));
      const shown = barsUntil(pace, nowMs);
      const top = Math.max(LOWEST_TOP, ...shown.map(({ ok, hard }) => ok + hard));
      shown.forEach(({ ok, hard }, index) => {
        const high = (count) => (count / top) * HEIGHT;
        place(bars[index].ok, HEIGHT - high(ok), high(ok));
        place(bars[index].hard, HEIGHT - high(ok + hard), high(hard));
      });
      chart.setAttribute("aria-label", t("paceChart", sum(shown, nowMs - BARS * BAR_MS)));

      const threshold = Number(select.value) / 100;
      const isOffered =
        !isOver && nowMs > quietUntilMs && isTooHard(pace, { nowMs, threshold, alertedAtMs });
      if (isOffered) say(text, t("alertOffer", { share: percent }));
      offer.hidden = !isOffered;
    },
  };
}

function place(bar, y, height) {
  bar.setAttribute("y", y.toFixed(1));
  bar.setAttribute("height", height.toFixed(1));
}
