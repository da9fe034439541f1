/** Clients in a browser: a page of their own each, which reports what its program writes. */
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { run } from "../../helpers/processes/run.js";
import { Launched, minimalEnvironment } from "../../helpers/processes/server-process.js";
import { ensureTool } from "../../helpers/tools/tools.js";
import type { Seat } from "../seat.js";
import type { Where } from "./host.js";
import { textOf } from "./program.js";

export type Browser = "chromium" | "firefox";

/** The client as it is for browsers. */
const SOCKET_IO = join(
  dirname(createRequire(import.meta.url).resolve("socket.io-client/package.json")),
  "dist/socket.io.esm.min.js",
);

const ARGUMENTS: Readonly<Record<Browser, (profile: string) => readonly string[]>> = {
  chromium: (profile) => [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    `--user-data-dir=${profile}`,
  ],
  firefox: (profile) => ["--headless", "--no-remote", "--profile", profile],
};

/** Firefox asks and tells its maker nothing at its first start. */
const PREFERENCES = `
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
`;

/** Reports each line, one after the other, as the program would have written it. */
const REPORT = `
let last = Promise.resolve();
const report = (line) => {
  last = last.then(() => fetch(location.pathname, { method: "POST", body: line }));
};
console.log = (...words) => report(words.map(String).join(" "));
addEventListener("error", ({ message }) => report("error: " + message));
`;

/** The page that the browser opens: it has a frame for each client. */
const FRAMES = `<!doctype html>
<script type="module">
const shown = new Set();
setInterval(async () => {
  for (const path of await (await fetch("/frames")).json()) {
    if (shown.has(path)) continue;
    shown.add(path);
    document.body.append(Object.assign(document.createElement("iframe"), { src: path }));
  }
}, 200);
</script>`;

function pageOf(program: string): string {
  const imports = JSON.stringify({ imports: { "socket.io-client": "/socket.io.js" } });
  return `<!doctype html>
<script type="importmap">${imports}</script>
<script>${REPORT}</script>
<script type="module">
${program}
</script>`;
}

/** One browser for all clients of the kind. */
export function inBrowser(kind: Browser): Where {
  return async () => {
    const file = await ensureTool(kind);
    const { stdout } = await run(file, ["--version"]);
    const profile = await mkdtemp(join(tmpdir(), `inthon-${kind}-`));
    await writeFile(join(profile, "user.js"), PREFERENCES);
    const pages = new Map<string, { readonly text: string; readonly seat: Seat }>();
    const server = createServer((request, response) => {
      void answer(request, response, pages);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const env = { ...minimalEnvironment(), HOME: profile };
    const browser = await Launched.start(file, [...ARGUMENTS[kind](profile), origin], { env });
    return {
      version: /\d[\w.]+/.exec(stdout)?.[0] ?? "",
      async start(task, seat) {
        pages.set(`/${seat.session}`, { text: pageOf(await textOf(task)), seat });
      },
      async stop() {
        await browser.stop();
        server.closeAllConnections();
        server.close();
        await rm(profile, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: ReadonlyMap<string, { readonly text: string; readonly seat: Seat }>,
): Promise<void> {
  const page = pages.get(request.url ?? "");
  if (request.url === "/") {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(FRAMES);
  } else if (request.url === "/frames") {
    response.end(JSON.stringify([...pages.keys()]));
  } else if (request.url === "/socket.io.js") {
    response.setHeader("Content-Type", "text/javascript");
    response.end(await readFile(SOCKET_IO));
  } else if (page === undefined) {
    response.writeHead(404).end();
  } else if (request.method === "POST") {
    page.seat.onLine(await text(request));
    response.writeHead(204).end();
  } else {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page.text);
  }
}
