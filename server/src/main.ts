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
  const app = await startApp(config, log);
  log.info({ url: app.url, cluster: config.cluster.kind }, "listening");
  closeWithGrace({ delay: CLOSE_TIMEOUT_MS, logger: false }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, "ending after an unexpected error");
    else log.info({ signal }, "closing");
    await app.close();
    log.info("closed");
  });
} catch (error) {
  log.fatal({ err: error }, "the server could not start");
  process.exitCode = 1;
  setTimeout(() => process.exit(), 1_000).unref();
}
