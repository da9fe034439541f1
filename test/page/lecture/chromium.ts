import type { Page } from "playwright-core";
import { openBrowser } from "../helpers/demo-page.js";
import type { AnyBrowser, BrowserWindow, Reader } from "./window.js";

const LOCALES = { en: "en-US", ko: "ko-KR" };

/** Debian's Chromium, by the library that knows it. */
export async function startChromium({ language, scheme }: Reader): Promise<AnyBrowser> {
  const browser = await openBrowser();
  return {
    name: "chromium",
    version: browser.version(),
    async open(viewport) {
      const locale = LOCALES[language];
      const context = await browser.newContext({ viewport, locale, colorScheme: scheme });
      return windowOf(await context.newPage());
    },
    stop: async () => browser.close(),
  };
}

function windowOf(page: Page): BrowserWindow {
  return {
    async goto(url) {
      await page.goto(url);
    },
    evaluate: async (expression) => page.evaluate(expression),
    async click(selector) {
      await page.locator(selector).filter({ visible: true }).first().click();
    },
    async screenshot(path, visible = false) {
      await page.screenshot({ path, fullPage: !visible });
    },
    resize: async (size) => page.setViewportSize(size),
    async show(colorScheme) {
      await page.emulateMedia({ colorScheme });
      return true;
    },
    close: async () => page.context().close(),
  };
}
