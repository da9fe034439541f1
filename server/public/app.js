// The page: which session, which views, and the samples below them.

import { randomId } from "./ids.js";
import { createView } from "./view.js";

const SESSION = /^[A-Za-z0-9_-]{1,64}$/;
const ROLES = ["teacher", "student"];
/** The session that the README and `npm run cluster` publish to: a newcomer sees it arrive. */
const FIRST_SESSION = "lecture-1";

const query = new URLSearchParams(location.search);
const asked = query.get("session") ?? FIRST_SESSION;
const session = SESSION.test(asked) ? asked : randomId();
const only = ROLES.find((role) => role === query.get("view"));
history.replaceState(null, "", pageFor(session, only));

const find = (selector) => document.querySelector(selector);
const note = (text) => (find("#session-note").textContent = text);

find("#session-id").textContent = session;
if (asked !== session) note("That session id is not valid; this is a new one.");
document.title = only
  ? `${only === "teacher" ? "Teacher" : "Student"} – Inthon Realtime`
  : document.title;

for (const link of document.querySelectorAll("[data-show]")) {
  const view = link.dataset.show === "both" ? undefined : link.dataset.show;
  link.href = pageFor(session, view);
  if (view === only) link.setAttribute("aria-current", "page");
}

const other = only === "student" ? "teacher" : "student";
find("#second-tab").href = pageFor(session, other);
find("#second-tab").textContent = `${other === "teacher" ? "Teacher" : "Student"} in a new tab`;
find("#new-session").href = pageFor(randomId(), only);
find("#copy-link").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    note("Copied.");
  } catch {
    // Without https the clipboard is closed to pages; the address bar holds the same link.
    note("Copy it from the address bar.");
  }
});

for (const role of only ? [only] : ROLES) {
  const view = createView({ role, session });
  find("#views").append(view.root);
  view.join();
}
find("#views").dataset.count = only ? "1" : "2";

find("#sample-connect").textContent = `import { io } from "socket.io-client";

const path = "/ws/session/${session}/student/";
const socket = io("${location.origin}", { path });
socket.on("important", ({ note }) => console.log(note));

// or, without a library:
const plain = new WebSocket("${location.origin.replace(/^http/, "ws")}" + path);`;

find("#sample-publish").textContent = `SESSION=${session}
curl -i ${location.origin}/sessions/$SESSION/events \\
  -H 'content-type: application/json' \\
  -d '{ "event": "important", "note": "In the exam", "capture_url": null }'`;

function pageFor(session, view) {
  return `?${new URLSearchParams({ session, ...(view ? { view } : {}) })}`;
}
