import { EventEmitter } from "node:events";
import { parseArgs } from "node:util";
import { OptionError } from "../../chaos/options.js";
import { startCluster } from "../../helpers/processes/cluster.js";
import type { ServerProcess } from "../../helpers/processes/server-process.js";
import { startChromium } from "./chromium.js";
import { startFirefox } from "./firefox.js";
import { playLecture } from "./play.js";
import type { Reader } from "./window.js";

const BROWSERS = { chromium: startChromium, firefox: startFirefox };
const READERS: readonly Reader[] = [
  { language: "en", scheme: "light" },
  { language: "ko", scheme: "dark" },
];

/**
 * `npm run drill -- lecture`: a lecture on screens in Chromium and Firefox, through the load balancer, in both languages; lines
 * cut and replicas killed. Screenshots of each state are in `test/output/screenshots/lecture`. `--browsers firefox` for one.
 *
 * @returns whether nobody missed anything
 */
export async function runLecture(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const names = readBrowsers(args);
  const restarts = new EventEmitter();
  const onRestart = (replica: ServerProcess, error?: Error): void => {
    restarts.emit(error ? "error" : replica.nodeId, error);
  };
  const cluster = await startCluster({
    loadBalancer: true,
    door: { restartAfterMs: 1_000, onRestart },
  });
  let isFine = true;
  try {
    for (const name of names) {
      for (const reader of READERS) {
        const browser = await BROWSERS[name](reader);
        try {
          print(`${browser.name} ${browser.version}, ${reader.language}`);
          await playLecture({ browser, reader, cluster, restarts, keepsPictures: true, print });
        } catch (error) {
          isFine = false;
          print(`  failed: ${error instanceof Error ? error.message : String(error)}`);
        } finally {
          await browser.stop();
        }
      }
    }
  } finally {
    await cluster.stop();
  }
  return isFine;
}

type BrowserName = keyof typeof BROWSERS;

function readBrowsers(args: readonly string[]): readonly BrowserName[] {
  const all = Object.keys(BROWSERS) as BrowserName[];
  let wanted: string | undefined;
  try {
    wanted = parseArgs({ args: [...args], options: { browsers: { type: "string" } } }).values
      .browsers;
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error));
  }
  if (wanted === undefined) return all;
  return wanted.split(",").map((name) => {
    const known = all.find((one) => one === name);
    if (!known) throw new OptionError(`--browsers must be some of ${all.join(", ")}`);
    return known;
  });
}
