import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import type { Test } from "tap";
import type { Role } from "@inthon/emitter/protocol";

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
  open(session: string, view?: Role): Promise<Tab>;
}

/** A window with one or both views. */
export interface Tab {
  readonly page: Page;
  view(role: Role): View;
}

/** One role's view in a tab. */
export interface View {
  readonly root: Locator;
  readonly replica: Locator;
  readonly state: Locator;
  readonly presence: Locator;
  event(name: string): Locator;
  press(action: string): Promise<void>;
  send(name: string, button?: string): Promise<void>;
  choose(transport: string): Promise<void>;
  /** The names of all that it has heard, oldest first. */
  heard(): Promise<string[]>;
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
    const context = await browser.newContext({ baseURL: url, viewport: desktop, ...rest });
    test.teardown(async () => context.close());
    context.setDefaultTimeout(patienceMs);
    context.on("page", (page) => {
      watch(page, problems);
    });
    return context.newPage();
  };

  const open = async (session: string, view?: Role) => {
    const page = await blank();
    const response = await page.goto(`/?session=${session}${view ? `&view=${view}` : ""}`);
    const policy = (await response?.headerValue("content-security-policy")) ?? "";
    if (!policy.includes("default-src 'self'")) problems.push(`content-security-policy: ${policy}`);
    const tab = { page, view: (role: Role) => viewOf(page, role) };
    const shown: readonly Role[] = view ? [view] : ["teacher", "student"];
    for (const role of shown) await isConnected(tab.view(role));
    return tab;
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
    // A long poll that the page itself gives up when it leaves is no failure.
    const isAborted = request.failure()?.errorText === "net::ERR_ABORTED";
    if (isAborted && request.url().includes("transport=polling")) return;
    problems.push(`${request.failure()?.errorText ?? "failed"}: ${request.url()}`);
  });
}

/** The view of a role in a page. */
export function viewOf(page: Page, role: Role): View {
  const root = page.locator(`[data-view="${role}"]`);
  return {
    root,
    replica: root.getByTestId("replica"),
    state: root.getByTestId("state"),
    presence: root.getByTestId("presence"),
    event: (name) => root.locator(`[data-event="${name}"]`),
    press: async (action) => root.locator(`[data-action="${action}"]`).click(),
    async send(name, button = "") {
      await root.locator(`[data-send="${name}"]`).filter({ hasText: button }).first().click();
    },
    async choose(transport) {
      await root.locator('[data-action="transport"]').selectOption(transport);
    },
    async heard() {
      const entries = await root.locator("[data-event]").all();
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

/** Waits until the view is connected. */
export async function isConnected(view: View): Promise<void> {
  await view.root.and(view.root.page().locator('[data-state="connected"]')).waitFor();
  await view.event("connected").first().waitFor();
}

/** Has the view leave and join until another replica serves it. */
async function moveAwayFrom(view: View, replica: string): Promise<void> {
  for (let i = 0; i < reconnectsAtMost; i++) {
    if ((await view.replica.textContent()) !== replica) return;
    await view.press("toggle");
    await reads(view.state, "Disconnected");
    await view.press("toggle");
    await isConnected(view);
  }
  throw new Error(`${reconnectsAtMost} connections all went to ${replica}`);
}

/** Two tabs of one session, as the teacher and a student have them, on two replicas. */
export async function openLecture(
  desk: Desk,
): Promise<Record<Role, View> & { teacherPage: Page; studentPage: Page }> {
  const session = randomUUID();
  const teacherTab = await desk.open(session, "teacher");
  const studentTab = await desk.open(session, "student");
  const teacher = teacherTab.view("teacher");
  const student = studentTab.view("student");
  await moveAwayFrom(student, (await teacher.replica.textContent()) ?? "");
  for (const view of [teacher, student]) await view.press("clear");
  return { teacher, student, teacherPage: teacherTab.page, studentPage: studentTab.page };
}

/** Keeps a screenshot as test output. */
export async function picture(page: Page, name: string, fullPage = false): Promise<void> {
  await page.evaluate("scrollTo(0, 0)");
  await page.evaluate("Promise.allSettled(document.getAnimations().map((each) => each.finished))");
  await page.screenshot({ path: `${screenshots}${name}.png`, fullPage });
}
