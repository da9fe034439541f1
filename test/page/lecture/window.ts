import { setTimeout as delay } from "node:timers/promises";

/** How large a window is, in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export type Scheme = "light" | "dark";

/** One window of any browser, with a storage of its own. */
export interface BrowserWindow {
  goto(url: string): Promise<void>;
  /** What an expression is worth there, once it is settled, as JSON. */
  evaluate<T>(expression: string): Promise<T>;
  /** A real click, in the middle of what a selector finds. */
  click(selector: string): Promise<void>;
  /** @param path - of the PNG: of the whole page, from its top, unless `visible` alone is wanted */
  screenshot(path: string, visible?: boolean): Promise<void>;
  resize(size: Size): Promise<void>;
  /** Shows it as to somebody who prefers light or dark; resolves with `false` where this browser decides that at its start. */
  show(scheme: Scheme): Promise<boolean>;
  close(): Promise<void>;
}

/** A browser that runs. */
export interface AnyBrowser {
  readonly name: string;
  readonly version: string;
  open(size: Size): Promise<BrowserWindow>;
  stop(): Promise<void>;
}

/** How a browser is started: whose language, and what light. */
export interface Reader {
  readonly language: "en" | "ko";
  readonly scheme: Scheme;
}

const PATIENCE_MS = 20_000;
const PAUSE_MS = 50;

/** Waits until an element says what it should, and resolves with all that it says. */
export async function says(window: BrowserWindow, selector: string, what = /./): Promise<string> {
  const expression = `[...document.querySelectorAll(${JSON.stringify(selector)})]
    .filter((node) => node.checkVisibility()).map((node) => node.textContent)`;
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const texts = await window.evaluate<string[]>(expression);
    const found = texts.find((text) => what.test(text));
    if (found !== undefined) return found;
    if (Date.now() > deadline)
      throw new Error(`${selector} does not say ${String(what)}, but: ${texts.join(" | ")}`);
    await delay(PAUSE_MS);
  }
}

/** Writes into a field, as an autofill would: the page hears of it. */
export async function fill(window: BrowserWindow, selector: string, text: string): Promise<void> {
  await says(window, `label[for="${selector.slice(1)}"]`);
  await window.evaluate(`(() => {
    const field = document.querySelector(${JSON.stringify(selector)});
    field.value = ${JSON.stringify(text)};
    for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  })()`);
}

/** Where an element is in the window, once it has been scrolled to. */
export const placeOf = (selector: string): string => `(() => {
  const node = [...document.querySelectorAll(${JSON.stringify(selector)})]
    .find((each) => each.checkVisibility());
  if (!node) throw new Error(${JSON.stringify(`there is no ${selector}`)});
  if (node.matches(":disabled, [aria-disabled=true]")) throw new Error(${JSON.stringify(`${selector} is disabled`)});
  node.scrollIntoView({ block: "center", behavior: "instant" });
  const { left, top, width, height } = node.getBoundingClientRect();
  return { x: Math.round(left + width / 2), y: Math.round(top + height / 2) };
})()`;
