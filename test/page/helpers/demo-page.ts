import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import type { Test } from "tap";
import type { Role } from "@inthon/emitter/protocol";
import { ensureTool } from "../../helpers/tools/tools.js";

const screenshots = fileURLToPath(new URL("../../output/screenshots/", import.meta.url));
/** A usual laptop's window. */
const desktop = { width: 1280, height: 800 };
const patienceMs = 15_000;
const reconnectsAtMost = 10;

/** What one test opens, and everything that went wrong in any of it. */
export interface Desk {
  readonly problems: string[];
  /** A page in a window of its own: Chromium hardly draws a tab that another one covers. */
  blank(): Promise<Page>;
  open(session: string, role: Role): Promise<Screen>;
}

/** One role's screen, in a window. */
export interface Screen {
  readonly page: Page;
  readonly replica: Locator;
  readonly state: Locator;
  /** The questions that are not answered, in their order. */
  readonly questions: Locator;
  readonly moments: Locator;
  /** What the page says below. */
  readonly toast: Locator;
  press(button: string): Promise<void>;
  openDrawer(): Promise<void>;
  choose(protocol: string): Promise<void>;
  /** Publishes by the drawer, which has to be open; without fields, what it suggests. */
  publish(name: string, fields?: Record<string, unknown>): Promise<void>;
  /** The frame of an event, in the open drawer, newest first. */
  frame(name: string): Locator;
  /** The names of the frames in the open drawer, oldest first. */
  heard(): Promise<string[]>;
}

/** Debian's Chromium, which asks nobody for anything by itself. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: await ensureTool("chromium"),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Opens the demo page in windows of `browser`, at `url` unless the test says otherwise. */
export function openDesk(
  browser: Browser,
  test: Test,
  options: BrowserContextOptions & { url: string },
): Desk {
  const { url, ...rest } = options;
  const problems: string[] = [];

  const blank = async () => {
    const context = await browser.newContext({
      baseURL: url,
      viewport: desktop,
      locale: "en-US",
      ...rest,
    });
    test.teardown(async () => context.close());
    context.setDefaultTimeout(patienceMs);
    context.on("page", (page) => {
      watch(page, problems);
    });
    return context.newPage();
  };

  const open = async (session: string, role: Role) => {
    const page = await blank();
    const response = await page.goto(`/?session=${session}&role=${role}`);
    const policy = (await response?.headerValue("content-security-policy")) ?? "";
    const isStrict = ["default-src 'self';", "script-src 'self';", "style-src 'self';"].every(
      (each) => `${policy};`.includes(each),
    );
    if (!isStrict) problems.push(`content-security-policy: ${policy}`);
    const screen = screenOf(page);
    await isConnected(screen);
    return screen;
  };

  return { problems, blank, open };
}

/** A violation of the content security policy is an error on the console, too. */
function watch(page: Page, problems: string[]): void {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      problems.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`);
  });
  page.on("requestfailed", (request) => {
    // What the page itself gives up when it leaves is no failure: a long poll, a stream, a history that it reads.
    const isAborted = request.failure()?.errorText === "net::ERR_ABORTED";
    if (isAborted && /\/(ws|sessions|operator)\//.test(request.url())) return;
    problems.push(`${request.failure()?.errorText ?? "failed"}: ${request.url()}`);
  });
}

/** The screen in a page. */
export function screenOf(page: Page): Screen {
  const toggle = page.locator('[aria-controls="drawer"]');
  const publisher = page.getByTestId("publisher");
  return {
    page,
    replica: page.getByTestId("replica"),
    state: page.getByTestId("state"),
    questions: page.getByTestId("questions").locator("li"),
    moments: page.getByTestId("moments").locator("li"),
    toast: page.getByTestId("toast"),
    press: async (button) => page.getByRole("button", { name: button, exact: true }).click(),
    openDrawer: async () => toggle.click(),
    async choose(protocol) {
      await page.locator("#protocol").selectOption(protocol);
    },
    async publish(name, fields) {
      await publisher.locator("select").selectOption(name);
      if (fields) await publisher.locator("textarea").fill(JSON.stringify(fields));
      await publisher.locator("button").click();
    },
    frame: (name) => page.getByTestId("frames").locator(`[data-event="${name}"]`),
    async heard() {
      const entries = await page.getByTestId("frames").locator("li").all();
      const names = await Promise.all(
        entries.map(async (entry) => entry.getAttribute("data-event")),
      );
      return names.reverse().map(String);
    },
  };
}

/** Waits until one of them reads so. */
export async function reads(locator: Locator, text: string | RegExp): Promise<void> {
  await locator.filter({ hasText: text }).first().waitFor();
}

/** Waits until the screen is connected, and has filled itself. */
export async function isConnected({ page }: Screen): Promise<void> {
  await page.locator('body[data-state="connected"]').waitFor();
}

/** Has the screen join anew until another replica serves it. */
async function moveAwayFrom(screen: Screen, replica: string): Promise<void> {
  for (let i = 0; i < reconnectsAtMost; i++) {
    if ((await screen.replica.textContent()) !== replica) return;
    for (const protocol of ["websocket", "socket.io"]) {
      await screen.choose(protocol);
      await isConnected(screen);
    }
  }
  throw new Error(`${reconnectsAtMost} connections all went to ${replica}`);
}

/** The two screens of one session, with open drawers, on two replicas. */
export async function openLecture(desk: Desk): Promise<Record<Role, Screen>> {
  const session = randomUUID();
  const teacher = await desk.open(session, "teacher");
  const student = await desk.open(session, "student");
  for (const screen of [teacher, student]) await screen.openDrawer();
  await moveAwayFrom(student, (await teacher.replica.textContent()) ?? "");
  for (const screen of [teacher, student]) await screen.press("Clear");
  return { teacher, student };
}

/** Keeps a screenshot as test output. */
export async function picture(page: Page, name: string, fullPage = false): Promise<void> {
  await page.evaluate("scrollTo(0, 0)");
  await page.evaluate("Promise.allSettled(document.getAnimations().map((each) => each.finished))");
  await page.screenshot({ path: `${screenshots}${name}.png`, fullPage });
}
