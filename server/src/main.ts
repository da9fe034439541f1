import closeWithGrace from "close-with-grace";
import { startApp } from "./app.js";
import { ConfigError, loadConfig, type Config } from "./config.js";
import { createLogger } from "./telemetry/log.js";
import { optimizeSooner } from "./optimize-sooner.js";

/** Below the 30 s that Kubernetes and most supervisors wait before they kill. */
const CLOSE_TIMEOUT_MS = 15_000;

function readConfig(): Config {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

optimizeSooner();
const config = readConfig();
const log = createLogger(config.logLevel, config.nodeId);

try {
  const starting = startApp(config, log);
  // Before anybody is told that it listens: who asks it to end at once is heard.
  closeWithGrace({ delay: CLOSE_TIMEOUT_MS, logger: false }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, "ending after an unexpected error");
    else log.info({ signal }, "closing");
    await (await starting).close();
    log.info("closed");
  });
  const { url } = await starting;
  log.info({ url, cluster: config.cluster.kind }, "listening");
} catch (error) {
  log.fatal({ err: error }, "the server could not start");
  process.exitCode = 1;
  setTimeout(() => process.exit(), 1_000).unref();
}
