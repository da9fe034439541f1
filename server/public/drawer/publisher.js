// Any event of the contract, as a service would publish it.

import { AUDIENCE, SAMPLES } from "../line/contract.js";
import { randomId } from "../line/ids.js";
import { publish } from "../line/publish.js";
import { h } from "../screens/dom.js";
import { t } from "../words/words.js";

export function createPublisher({ session, story, role }) {
  const name = h(
    "select",
    { id: "publish-event" },
    ...Object.keys(AUDIENCE).map((each) => h("option", { value: each }, each)),
  );
  const body = h("textarea", { id: "publish-body", rows: 3, spellcheck: "false" });
  const outcome = h("output", { class: "outcome", "data-testid": "outcome" });
  const sample = () => (body.value = JSON.stringify(SAMPLES[name.value]));
  name.addEventListener("change", sample);
  sample();
  const form = h(
    "form",
    { class: "publisher", "data-testid": "publisher" },
    h("h2", {}, t("publishTitle")),
    h("label", { for: "publish-event" }, t("publishEvent")),
    name,
    h("label", { for: "publish-body" }, t("publishBody")),
    body,
    h("div", { class: "row" }, h("button", { type: "submit" }, t("publishSend"))),
    outcome,
  );

  /** What was refused or has failed, and its key: sent again as it is, it is not published twice. */
  let failed = { json: "", key: "" };
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    const event = read(name.value, body.value);
    if (!event) return tell("refused", t("publishBad"));
    const json = JSON.stringify(event);
    const key = failed.json === json ? failed.key : randomId();
    const result = await publish(session, event, { key });
    failed = result.kind === "stored" ? { json: "", key: "" } : { json, key };
    if (result.kind === "refused") {
      const faults = result.errors.map(({ path, message }) => `${path} ${message}`);
      const text = result.status === undefined ? t("failed") : t("refused", result);
      return tell("refused", [text, ...faults].join("\n"));
    }
    const offsets = Object.entries(result.offsets).map(([room, offset]) => `${room} ${offset}`);
    const words = { offsets: offsets.join(", ") };
    tell("stored", t(result.duplicate ? "publishDuplicate" : "publishStored", words));
    if (role === "teacher")
      story.learn({ name: event.event, event, offset: result.offsets.student });
  });

  function tell(kind, text) {
    outcome.dataset.outcome = kind;
    outcome.textContent = text;
  }
  return { root: form };
}

function read(event, text) {
  try {
    const fields = JSON.parse(text || "{}");
    const isObject = typeof fields === "object" && fields !== null && !Array.isArray(fields);
    return isObject ? { event, ...fields } : undefined;
  } catch {
    return undefined;
  }
}
