// "Kill my replica": there with `npm run cluster` alone, which starts it again.

import { hasDoor, killReplica } from "../line/cluster-door.js";
import { allow, h, onAllowed } from "../screens/dom.js";
import { t } from "../words/words.js";

/** @param back - tells what becomes of the line. @returns `undefined` where there is no door */
export function createKill({ back }) {
  if (!hasDoor) return undefined;
  const button = h(
    "button",
    { type: "button", class: "quiet danger", "aria-disabled": "true" },
    t("kill"),
  );
  let replica;
  onAllowed(button, async () => {
    const killed = replica;
    back.killing();
    const refusal = await killReplica(killed);
    if (refusal === undefined) back.killed(killed);
    else back.spared(refusal);
  });
  return {
    button,
    onState(state) {
      replica = state.phase === "connected" ? state.replica : undefined;
      allow(button, replica !== undefined);
    },
  };
}
