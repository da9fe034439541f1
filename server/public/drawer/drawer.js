// Under the hood: which protocol and replica, every frame, a line that can be cut, a crowd, and any event to publish.

import { PROTOCOLS } from "../line/connection.js";
import { allow, h, onAllowed, say } from "../screens/dom.js";
import { t } from "../words/words.js";
import { createCrowd } from "./crowd.js";
import { createFrames } from "./frames.js";
import { createKill } from "./kill.js";
import { createPublisher } from "./publisher.js";
import { createReturn } from "./return.js";

const CUT_MS = 1_500;
const KEPT = "inthon-protocol";
const NAMES = {
  "socket.io": "protocolSocketio",
  polling: "protocolPolling",
  websocket: "protocolWebsocket",
  eventsource: "protocolEventsource",
};

/** @param context - what screens have, and `choose(protocol)`, `lose(ms)` */
export function createDrawer({ session, role, story, choose, lose }) {
  const frames = createFrames();
  const back = createReturn({ session, role });
  const kill = createKill({ back });
  const crowd = createCrowd({ session, story });
  const publisher = createPublisher({ session, story, role });
  let connection;

  const picker = h(
    "select",
    { id: "protocol" },
    ...PROTOCOLS.map((each) => h("option", { value: each }, t(NAMES[each]))),
  );
  const kept = sessionStorage.getItem(KEPT);
  picker.value = PROTOCOLS.includes(kept) ? kept : PROTOCOLS[0];
  picker.addEventListener("change", () => {
    sessionStorage.setItem(KEPT, picker.value);
    choose(picker.value);
  });

  const fact = (key, testid) => {
    const value = h("dd", { "data-testid": testid }, "–");
    return { value, row: h("div", {}, h("dt", {}, t(key)), value) };
  };
  const replica = fact("replica", "replica");
  const offset = fact("offset", "offset");
  const trip = fact("roundTrip", "round-trip");
  const ping = h("button", { type: "button", class: "quiet" }, t("ping"));
  onAllowed(ping, async () => {
    say(trip.value, "…");
    const ms = await connection.ping().catch(() => undefined);
    say(trip.value, ms === undefined ? t("noAnswer") : t("milliseconds", { count: ms.toFixed(1) }));
  });
  const cut = h("button", { type: "button", class: "quiet" }, t("cut"));
  onAllowed(cut, () => {
    back.cut();
    lose(CUT_MS);
  });

  const root = h(
    "section",
    { class: "drawer", id: "drawer", hidden: true, "aria-label": t("drawer") },
    h(
      "div",
      { class: "drawer-bar" },
      h("div", { class: "field" }, h("label", { for: "protocol" }, t("protocol")), picker),
      h("dl", { class: "facts" }, replica.row, offset.row, trip.row),
      h("div", { class: "row" }, ping, cut, kill?.button),
    ),
    back.root,
    h(
      "div",
      { class: "drawer-parts" },
      frames.root,
      h("div", { class: "drawer-side" }, crowd.root, publisher.root),
    ),
  );
  const toggle = h(
    "button",
    { type: "button", class: "quiet", "aria-expanded": "false", "aria-controls": "drawer" },
    t("drawer"),
  );
  toggle.addEventListener("click", () => {
    root.hidden = !root.hidden;
    toggle.setAttribute("aria-expanded", String(!root.hidden));
    frames.show(!root.hidden);
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    if (!root.hidden) root.scrollIntoView({ block: "nearest", behavior });
  });

  return {
    root,
    toggle,
    protocol: () => picker.value,
    joined(next) {
      connection = next;
      allow(ping, connection.ping !== undefined);
      say(trip.value, "–");
    },
    onState(state) {
      const isConnected = state.phase === "connected";
      say(replica.value, isConnected ? (state.replica ?? t("replicaUnknown")) : "–");
      allow(cut, isConnected);
      kill?.onState(state);
      back.onState(state);
    },
    hear(told) {
      frames.put(told);
      back.hear(told);
      if (told.offset) say(offset.value, told.offset);
    },
  };
}
