// Which language, and the words in it.

import { STRINGS } from "./strings.js";

const KEPT = "inthon-language";

/** The reader's choice, else the first language of the browser that we have, else English. */
export const language =
  [localStorage.getItem(KEPT), ...navigator.languages.map((each) => each.slice(0, 2))].find(
    (each) => each !== null && Object.hasOwn(STRINGS, each),
  ) ?? "en";

const other = language === "ko" ? "en" : "ko";

/** The words for `key`, with `{name}` replaced by the value of that name. */
export function t(key, values = {}) {
  return STRINGS[language][key].replaceAll(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Opens the page in the other language: the lecture comes back from its history. */
export function switchLanguage() {
  localStorage.setItem(KEPT, other);
  location.reload();
}

/** The code of the language that the switch leads to. */
export const otherLanguage = other;

const CLOCK = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });

/** A time of day, as one says it in a classroom. */
export const timeOfDay = (ms) => CLOCK.format(ms);
