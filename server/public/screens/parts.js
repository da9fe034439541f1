// What both screens are made of: cards, pictures, the marked moments.

import { safeLink } from "../line/contract.js";
import { t, timeOfDay } from "../words/words.js";
import { h, keyed, say } from "./dom.js";

/** A titled part of a screen. */
export function card(name, title, ...children) {
  const id = `${name}-title`;
  const heading = h("h2", { id }, title);
  const aside = h("p", { class: "aside" });
  const head = h("div", { class: "card-head" }, heading, aside);
  const root = h("section", { class: `card ${name}`, "aria-labelledby": id }, head, ...children);
  return { root, aside };
}

/** A capture: shown where it is of this origin (the page loads nothing from elsewhere), else linked. */
export function picture(url) {
  const href = safeLink(url);
  if (!href) return undefined;
  const link = { href, target: "_blank", rel: "noopener noreferrer", class: "capture" };
  if (new URL(href).origin !== location.origin) return h("a", link, t("captureLink"));
  const image = h("img", { src: href, alt: t("capture"), loading: "lazy", width: 160, height: 90 });
  // What is no picture is still a link.
  image.addEventListener("error", () => image.replaceWith(t("captureLink")), { once: true });
  return h("a", link, image);
}

/** Shows a capture in its place, and changes nothing where it is there already. */
export function showPicture(place, url) {
  if (place.dataset.url === (url ?? "")) return;
  place.dataset.url = url ?? "";
  place.replaceChildren(...[picture(url)].filter(Boolean));
}

/** The moments of a lecture, newest first. */
export function createMoments() {
  const list = h("ol", { class: "moments", "data-testid": "moments" });
  const none = h("p", { class: "none" }, t("momentsNone"));
  const { root, aside } = card("moments-card", t("momentsTitle"), list, none);
  const make = ({ kind, note, captureUrl, atMs }) =>
    h(
      "li",
      { class: "moment", "data-kind": kind },
      h("time", { datetime: new Date(atMs).toISOString() }, timeOfDay(atMs)),
      h(
        "div",
        {},
        h("p", { class: "moment-kind" }, t(kind === "hard" ? "momentHard" : "momentImportant")),
        note ? h("p", { class: "moment-note" }, note) : undefined,
        picture(captureUrl),
      ),
    );
  let drawn;
  return {
    root,
    draw({ moments }) {
      // A lecture is never changed, but followed by another one: the same list is the same picture.
      if (moments === drawn) return;
      drawn = moments;
      keyed(list, { items: moments.toReversed(), keyOf: keyOfMoment, make });
      none.hidden = moments.length > 0;
      say(aside, moments.length > 0 ? String(moments.length) : "");
    },
  };
}

const keyOfMoment = ({ offset, kind, atMs }) => `${kind}-${offset ?? atMs}`;
