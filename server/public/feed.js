// The list of what a view has heard, newest on top.

import { phrase, safeLink } from "./events.js";

const NEWEST = 200;
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

export function createFeed(list) {
  const template = document.querySelector("#entry").content.firstElementChild;

  function put(entry) {
    list.prepend(entry);
    while (list.children.length > NEWEST) list.lastElementChild.remove();
  }

  return {
    clear: () => list.replaceChildren(),

    /** An event of the contract, exactly as it came in. */
    event(name, event, offset) {
      const entry = template.cloneNode(true);
      entry.dataset.event = name;
      entry.querySelector(".entry-text").textContent = phrase(name, event);
      stamp(entry.querySelector("time"), event?.created_at ?? event?.changed_at);
      if (event?.capture_url) showLink(entry.querySelector(".entry-link"), event.capture_url);
      entry.querySelector("summary").textContent = name;
      entry.querySelector("pre").textContent =
        JSON.stringify(event, null, 2) + (offset ? `\n\noffset ${offset}` : "");
      put(entry);
    },

    /** Something that happened to the connection itself. */
    notice(text, tone) {
      const entry = document.createElement("li");
      entry.className = "notice";
      entry.dataset.notice = tone;
      entry.textContent = text;
      put(entry);
    },
  };
}

function stamp(time, iso) {
  const parsed = new Date(iso ?? Date.now());
  const at = Number.isNaN(parsed.getTime()) ? new Date() : parsed;
  time.dateTime = at.toISOString();
  time.title = iso ?? at.toISOString();
  time.textContent = at.toLocaleTimeString([], CLOCK);
}

function showLink(place, value) {
  const href = safeLink(value);
  const shown = document.createElement(href ? "a" : "code");
  shown.textContent = href ? "Open the capture" : value;
  if (href) {
    shown.href = href;
    shown.title = value;
    shown.target = "_blank";
    shown.rel = "noopener noreferrer";
  }
  place.append(shown);
  place.hidden = false;
}
