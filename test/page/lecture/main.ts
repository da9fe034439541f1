import { EventEmitter } from "node:events";
import { parseArgs } from "node:util";
import { OptionError } from "../../chaos/options.js";
import { startCluster } from "../../helpers/processes/cluster.js";
import type { ServerProcess } from "../../helpers/processes/server-process.js";
import { startChromium } from "./chromium.js";
import { startFirefox } from "./firefox.js";
import { measureFrames } from "./frames.js";
import { PICTURE, takePicture } from "./picture.js";
import { playLecture } from "./play.js";
import type { Reader } from "./window.js";

const BROWSERS = { chromium: startChromium, firefox: startFirefox };
const READERS: readonly Reader[] = [
  { language: "en", scheme: "light" },
  { language: "ko", scheme: "dark" },
];

/**
 * `npm run drill -- lecture`: a lecture on screens in Chromium and Firefox, through the load balancer, in both languages; lines
 * cut and replicas killed. Screenshots of each state are in `test/output/screenshots/lecture`. `--browsers firefox` for one;
 * `--picture` makes README's picture anew instead; `--frames`
 * measures what 1,000 events in a minute cost a page.
 *
 * @returns whether nobody missed anything
 */
export async function runLecture(
  args: readonly string[],
  print: (line: string) => void,
): Promise<boolean> {
  const { names, isPicture, hasFrames } = readOptions(args);
  if (hasFrames) return measureFrames(print);
  if (isPicture) {
    await takePicture();
    print(PICTURE);
    return true;
  }
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

function readOptions(args: readonly string[]): {
  readonly names: readonly BrowserName[];
  readonly isPicture: boolean;
  readonly hasFrames: boolean;
} {
  const all = Object.keys(BROWSERS) as BrowserName[];
  const options = {
    browsers: { type: "string" },
    picture: { type: "boolean" },
    frames: { type: "boolean" },
  } as const;
  try {
    const {
      browsers = all.join(","),
      picture = false,
      frames = false,
    } = parseArgs({
      args: [...args],
      options,
    }).values;
    const names = browsers.split(",").map((name) => {
      const known = all.find((one) => one === name);
      if (!known) throw new Error(`--browsers must be some of ${all.join(", ")}`);
      return known;
    });
    return { names, isPicture: picture, hasFrames: frames };
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error));
  }
}
