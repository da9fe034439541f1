// The forms that publish: one for each event of the contract. Field names are the contract's own.

import { AUDIENCE } from "./events.js";
import { randomId } from "./ids.js";
import { publish, publishKey } from "./publish.js";

export function addComposers(place, { role, session }) {
  place.append(document.querySelector(`#compose-${role}`).content.cloneNode(true));
  for (const form of place.querySelectorAll("form")) {
    const name = form.dataset.composer;
    form.querySelector(".composer-title").append(label(name));
    const failed = new Map();
    const outcome = document.createElement("output");
    outcome.className = "outcome";
    form.append(outcome);
    form.addEventListener("input", ({ target }) => (target.dataset.touched = ""));
    form.addEventListener("submit", (submit) => {
      submit.preventDefault();
      void send({ session, form, button: submit.submitter, outcome, failed });
    });
  }
}

/** Carries a story on: fields that nobody has typed into follow what was heard. */
export function suggest(name, fields) {
  for (const [field, value] of Object.entries(fields)) {
    const input = document.querySelector(`[data-composer="${name}"] [name="${field}"]`);
    if (input && !("touched" in input.dataset)) input.value = value ?? "";
  }
}

function label(name) {
  const small = document.createElement("small");
  const code = document.createElement("code");
  code.textContent = name;
  small.append(code, ` to ${AUDIENCE[name].length === 2 ? "everyone" : `${AUDIENCE[name][0]}s`}`);
  return small;
}

async function send({ session, form, button, outcome, failed }) {
  const event = readEvent(form, button);
  const json = JSON.stringify(event);
  // Only what failed before is the same event again: two clicks on "OK" are two votes.
  const key = failed.get(json) ?? randomId();
  button.setAttribute("aria-busy", "true");
  const result = await publish(session, event, key);
  button.removeAttribute("aria-busy");
  outcome.dataset.outcome = result.kind;
  failed.clear();
  if (result.kind === "stored") {
    const offsets = Object.entries(result.offsets).map(([room, offset]) => `${room} ${offset}`);
    const done = result.duplicate ? "Was published already" : "Stored and published";
    outcome.textContent = `${done}: ${offsets.join(", ")}`;
    return;
  }
  failed.set(json, key);
  const faults = result.errors.map(({ path, message }) => `${path} ${message}`);
  outcome.textContent = [result.text, ...faults].join("\n");
  if (result.needsKey) askForKey(() => form.requestSubmit(button));
}

function readEvent(form, button) {
  const event = { event: form.dataset.composer };
  if (button.name) event[button.name] = button.value;
  for (const input of form.querySelectorAll("[data-kind]")) event[input.name] = read(input);
  return event;
}

// The server is the judge: what is not a number goes out as null, and comes back with the path of the fault.
function read({ dataset, value, valueAsNumber }) {
  switch (dataset.kind) {
    case "integer":
      return valueAsNumber;
    case "boolean":
      return value === "true";
    case "url":
      return value.trim() === "" ? null : value.trim();
    default:
      return value;
  }
}

let retry = () => {};

function askForKey(sendAgain) {
  const form = document.querySelector("#publish-key");
  retry = sendAgain;
  form.hidden = false;
  form.elements.key.focus();
  form.onsubmit = (submit) => {
    submit.preventDefault();
    publishKey.set(form.elements.key.value);
    form.reset();
    form.hidden = true;
    retry();
  };
}
