// Which language, and the words in it; kept where the classroom's page keeps it.

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

/** Opens the page in the other language. */
export function switchLanguage() {
  localStorage.setItem(KEPT, other);
  location.reload();
}

/** The code of the language that the switch leads to. */
export const otherLanguage = other;

const NUMBER = new Intl.NumberFormat(language);
const TIME = new Intl.DateTimeFormat(language, { timeStyle: "medium" });

export const number = (value) => NUMBER.format(value);
export const time = (ms) => TIME.format(ms);

/** Milliseconds, as a reader takes them in at a glance. */
export function duration(ms) {
  if (ms === null) return "–";
  return ms < 1_000 ? `${number(ms)} ms` : `${number(Math.round(ms / 100) / 10)} s`;
}

const UNITS = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
];

/** Since when, in the largest unit of which there is one. */
export function age(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? [1, "second"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(
    Math.max(0, Math.floor(seconds / size)),
  );
}
