import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { run } from "../../helpers/processes/run.js";
import { Launched, minimalEnvironment } from "../../helpers/processes/server-process.js";
import { ensureTool } from "../../helpers/tools/tools.js";
import { type AnyBrowser, type BrowserWindow, placeOf, type Reader } from "./window.js";

const COMMAND_TIMEOUT_MS = 30_000;
const LANGUAGES = { en: "en-US, en", ko: "ko-KR, ko" };
/** Of `layout.css.prefers-color-scheme.content-override`. */
const SCHEMES = { dark: 0, light: 1 };

/** Debian's Firefox, by WebDriver BiDi, which it speaks itself: Playwright drives builds of its own alone. */
export async function startFirefox({ language, scheme }: Reader): Promise<AnyBrowser> {
  const file = await ensureTool("firefox");
  const { stdout } = await run(file, ["--version"]);
  const profile = await mkdtemp(join(tmpdir(), "inthon-firefox-"));
  const preferences = {
    "browser.shell.checkDefaultBrowser": false,
    "browser.aboutwelcome.enabled": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "toolkit.telemetry.reportingpolicy.firstRun": false,
    "intl.accept_languages": LANGUAGES[language],
    "layout.css.prefers-color-scheme.content-override": SCHEMES[scheme],
  };
  const lines = Object.entries(preferences).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  await writeFile(join(profile, "user.js"), lines.join(""));
  const firefox = await Launched.start(
    file,
    ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"],
    { env: { ...minimalEnvironment(), HOME: profile } },
  );
  const stop = async (): Promise<void> => {
    await firefox.stop();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const url = await firefox.waitForLine(
      (line) => /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1],
    );
    const session = await BiDi.connect(`${url}/session`);
    await session.send("session.new", { capabilities: {} });
    return {
      name: "firefox",
      version: /\d[\w.]+/.exec(stdout)?.[0] ?? "",
      async open(viewport) {
        const { userContext } = await session.send("browser.createUserContext", {});
        const { context } = await session.send("browsingContext.create", {
          type: "window",
          userContext,
        });
        const window = new FirefoxWindow(session, String(context), String(userContext));
        await window.resize(viewport);
        return window;
      },
      async stop() {
        session.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

class FirefoxWindow implements BrowserWindow {
  readonly #session: BiDi;
  readonly #context: string;
  readonly #userContext: string;

  constructor(session: BiDi, context: string, userContext: string) {
    this.#session = session;
    this.#context = context;
    this.#userContext = userContext;
  }

  async goto(url: string): Promise<void> {
    await this.#send("browsingContext.navigate", { url, wait: "complete" });
  }

  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.#session.send("script.evaluate", {
      expression: `(async () => JSON.stringify((await (${expression})) ?? null))()`,
      target: { context: this.#context },
      awaitPromise: true,
    });
    const { type, result, exceptionDetails } = answer as {
      readonly type: string;
      readonly result?: { readonly value: string };
      readonly exceptionDetails?: { readonly text: string };
    };
    if (type !== "success") throw new Error(exceptionDetails?.text ?? type);
    return JSON.parse(result?.value ?? "null") as T;
  }

  async click(selector: string): Promise<void> {
    await this.#send("browsingContext.activate", {});
    const { x, y } = await this.evaluate<{ x: number; y: number }>(placeOf(selector));
    await this.#send("input.performActions", {
      actions: [
        {
          type: "pointer",
          id: "mouse",
          actions: [
            { type: "pointerMove", x, y },
            { type: "pointerDown", button: 0 },
            { type: "pointerUp", button: 0 },
          ],
        },
      ],
    });
  }

  async screenshot(path: string, visible = false): Promise<void> {
    const origin = visible ? "viewport" : "document";
    const { data } = await this.#send("browsingContext.captureScreenshot", { origin });
    await writeFile(path, Buffer.from(String(data), "base64"));
  }

  async resize(viewport: { width: number; height: number }): Promise<void> {
    await this.#send("browsingContext.setViewport", { viewport });
  }

  show(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async close(): Promise<void> {
    await this.#session.send("browser.removeUserContext", { userContext: this.#userContext });
  }

  #send(method: string, params: object): Promise<Record<string, unknown>> {
    return this.#session.send(method, { ...params, context: this.#context });
  }
}

/** The few commands of WebDriver BiDi that this needs, each answered or late. */
class BiDi {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Record<string, unknown>) => void>();
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const answer = JSON.parse(data.toString()) as Record<string, unknown>;
      this.#waiting.get(Number(answer["id"]))?.(answer);
    });
  }

  static async connect(url: string): Promise<BiDi> {
    const socket = new WebSocket(url, { maxPayload: 64 * 1024 * 1024 });
    await once(socket, "open");
    return new BiDi(socket);
  }

  async send(method: string, params: object): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const timeout = AbortSignal.timeout(COMMAND_TIMEOUT_MS);
    const answer = await new Promise<Record<string, unknown>>((resolve, reject) => {
      timeout.addEventListener("abort", () => {
        reject(new Error(`Firefox did not answer ${method}`));
      });
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    }).finally(() => this.#waiting.delete(id));
    if (answer["type"] === "error")
      throw new Error(`${method}: ${String(answer["error"])}: ${String(answer["message"])}`);
    return answer["result"] as Record<string, unknown>;
  }

  close(): void {
    this.#socket.close();
  }
}
