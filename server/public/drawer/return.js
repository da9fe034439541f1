// A line that was lost and came back: how long it took, and what of the history came and what did not.

import { judge } from "../lecture/recovery.js";
import { readHistory } from "../line/history.js";
import { h } from "../screens/dom.js";
import { t } from "../words/words.js";

const MAX_RECEIVED = 5_000;
/** What has not come by then is lost. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 100;

export function createReturn({ session, role }) {
  const root = h("p", { class: "return", role: "status", hidden: true, "data-testid": "return" });
  let last;
  /** Since when the line is away: `{ atMs, after }`. */
  let loss;
  let received = new Set();
  /** When its replica was told to end, by this page: the line is away since then, and not since the page noticed. */
  let killedAtMs;

  const tell = (text) => {
    root.hidden = false;
    root.textContent = text;
  };
  const lose = () => {
    if (loss || !last) return;
    loss = { atMs: killedAtMs ?? performance.now(), after: last };
    received = new Set();
  };

  async function count({ after, atMs }, { replica, resumed }) {
    const seconds = ((performance.now() - atMs) / 1_000).toFixed(1);
    if (resumed === false) return tell(t("backGap", { seconds }));
    const history = await readHistory(session, role, after);
    if (!history) return tell(t("backUnknown", { seconds }));
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const { delivered: missed, lost } = judge(history, received);
      if (lost === 0 || performance.now() > until) {
        const words = { replica, seconds, missed, lost };
        const [one, more] = replica ? ["backOnOne", "backOn"] : ["backOne", "back"];
        return tell(t(missed === 1 ? one : more, words));
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  return {
    root,
    cut() {
      lose();
      tell(t("cutNow"));
    },
    killing() {
      killedAtMs = performance.now();
    },
    /** It may be back already. */
    killed(replica) {
      if (killedAtMs !== undefined) tell(t("killed", { replica }));
    },
    spared(refusal) {
      killedAtMs = undefined;
      tell(t(refusal === "away" ? "killAway" : "killFailed"));
    },
    hear({ offset }) {
      if (!offset) return;
      last = offset;
      if (received.size < MAX_RECEIVED) received.add(offset);
    },
    onState(state) {
      if (state.phase === "reconnecting") lose();
      if (state.phase === "connecting") loss = undefined;
      if (state.phase !== "connected" || !loss) return;
      const was = loss;
      loss = undefined;
      killedAtMs = undefined;
      void count(was, state);
    },
  };
}
