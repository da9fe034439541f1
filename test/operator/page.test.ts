import { randomUUID } from "node:crypto";
import { once } from "node:events";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { startCluster, type Cluster } from "../helpers/processes/cluster.js";
import { openBrowser, openDesk, picture, reads } from "../page/helpers/demo-page.js";

const KEY = "the-key-of-an-operator";

let cluster: Cluster;
let browser: Browser;
t.before(async () => {
  // As it is in production: there is no other page, and the operator's is.
  const env = { NODE_ENV: "production", AUTH: "off", PUBLISH_KEYS: KEY, LEASE_MS: "3000" };
  cluster = await startCluster({ replicas: 2, env });
  t.teardown(() => cluster.stop());
  browser = await openBrowser();
  t.teardown(async () => browser.close());
});

async function enter(t: Test, replica: number, session: string, role = "student"): Promise<void> {
  const url = cluster.replica(replica).url.replace("http", "ws");
  const socket = new WebSocket(`${url}/ws/session/${session}/${role}/`);
  socket.on("error", () => undefined);
  t.teardown(() => {
    socket.terminate();
  });
  await once(socket, "message");
}

function publish(session: string, event: object): Promise<Response> {
  return fetch(`${cluster.replica(1).url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: JSON.stringify(event),
  });
}

const sizes: Readonly<Record<string, BrowserContextOptions>> = {
  laptop: { locale: "en-US", colorScheme: "light" },
  night: { locale: "ko-KR", colorScheme: "dark" },
  phone: {
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    isMobile: true,
    locale: "ko-KR",
    colorScheme: "dark",
  },
  narrow: { viewport: { width: 320, height: 640 }, locale: "en-US", colorScheme: "light" },
};

t.test(
  "it asks for a key, keeps it in the tab, and shows the cluster, by keyboard alone",
  async (t) => {
    const desk = openDesk(browser, t, { url: cluster.replica(0).url });
    const page = await desk.blank();
    t.equal((await page.goto("/"))?.status(), 404, "the classroom's page is off in production");
    await page.goto("/operator");
    const key = page.getByLabel("Publish key, or an operator's token");
    await key.waitFor();
    await page.keyboard.type("no-key-of-this-server");
    await page.keyboard.press("Enter");
    await page.getByText("This one does not let you see the cluster.").waitFor();
    await page.keyboard.type(KEY);
    await page.keyboard.press("Enter");
    await reads(page.getByTestId("state"), "Live");
    await reads(page.getByTestId("total-replicas"), "2");
    t.notOk(await key.isVisible());
    await page.reload();
    await reads(page.getByTestId("state"), "Live");
    const other = await desk.blank();
    await other.goto("/operator#token=no-key-of-this-server");
    await other.getByText("This one does not let you see the cluster. The server says:").waitFor();
    t.notOk(await other.getByText("Nobody is connected.").isVisible(), "and nothing untrue");
    t.ok(
      desk.problems.every((each) => /^(40[14] |console: .*40[14])/.test(each)),
      desk.problems.join("\n"),
    );
  },
);

t.test("a session is looked at from the list, and a connection is found", async (t) => {
  const session = randomUUID();
  for (const replica of [0, 1]) await enter(t, replica, session);
  await enter(t, 1, session, "teacher");
  await publish(session, { event: "important", note: "before", capture_url: null });
  const desk = openDesk(browser, t, { url: cluster.replica(0).url });
  const page = await desk.blank();
  await page.goto(`/operator#token=${KEY}`);
  t.equal(new URL(page.url()).hash, "", "the address that is shown and copied has none");
  await page.getByRole("button", { name: session }).press("Enter");
  await reads(page.getByTestId("session"), "Students: 2. Teachers: 1.");
  await reads(page.getByTestId("told"), "before");
  await publish(session, { event: "important", note: "and now", capture_url: null });
  await reads(page.getByTestId("told").locator("li").first(), "and now");
  t.equal(new URL(page.url()).search, `?session=${session}`);
  await page.getByLabel("Which").fill("nobody");
  await page.keyboard.press("Enter");
  await reads(page.getByTestId("found"), "No replica holds it.");
  t.same(desk.problems, []);
});

t.test("it is without faults for axe and fits, whatever is in it", async (t) => {
  const session = "w".repeat(64);
  await enter(t, 0, session);
  await enter(t, 1, session, "teacher");
  const note = `${"w".repeat(500)} <b>${"가".repeat(300)}`;
  await publish(session, { event: "important", note, capture_url: null });
  for (const [size, options] of Object.entries(sizes)) {
    const desk = openDesk(browser, t, { url: cluster.replica(0).url, ...options });
    const page = await desk.blank();
    await page.goto("/operator");
    await page.locator("#key").waitFor();
    await isSound(t, page, `operator-key-${size}`);
    await page.locator("#key").fill(KEY);
    await page.keyboard.press("Enter");
    await reads(page.getByTestId("total-replicas"), "2");
    await page.locator("#session").fill(session);
    await page.keyboard.press("Enter");
    await reads(page.getByTestId("told"), "www");
    await isSound(t, page, `operator-${size}`);
    await page.context().close();
  }
});

/** Nothing for axe to say, nothing to scroll sideways; a picture is kept. */
async function isSound(t: Test, page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<axe.AxeResults>("axe.run()");
  t.same(
    found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
    [],
    name,
  );
  t.equal(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0, name);
  await picture(page, name, true);
}
