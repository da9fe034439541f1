import { startApp } from "./app.js";
import { Happenings } from "./classroom/report/happenings.js";
import { ConfigError, loadConfig, type Config } from "./config/config.js";
import { endInOrder, type Ending } from "./end-in-order.js";
import { createLogger } from "./telemetry/log.js";

function readConfig(): Config {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

/** One line that names the variable, where the server cannot listen as it is told to. */
function listeningProblem(error: unknown, config: Config): string | undefined {
  const { host, port, metricsPort } = config;
  const failed = (error instanceof Error ? error : {}) as { code?: unknown; port?: unknown };
  const isOfMetrics = metricsPort !== undefined && failed.port === metricsPort;
  const place = isOfMetrics ? `METRICS_PORT ${String(metricsPort)}` : `PORT ${String(port)}`;
  switch (failed.code) {
    case "EADDRINUSE":
      return `${place} is taken: choose another one, or end what listens there`;
    case "EACCES":
      return `${place} may not be listened on by this user: choose one above 1023`;
    case "ENOTFOUND":
    case "EADDRNOTAVAIL":
    case "EAI_AGAIN":
      return `HOST ${host} is not an address of this machine`;
    default:
      return undefined;
  }
}

/**
 * Runs a replica, and resolves when it listens. From this call on, in the same turn of the event loop, it ends in order
 * whenever it is told to.
 *
 * @returns its address; `undefined` where it could not start, and ends
 */
export async function serve(): Promise<string | undefined> {
  const config = readConfig();
  const happenings = new Happenings();
  const log = createLogger(config.logLevel, config.nodeId, happenings.onTrouble);
  try {
    let isListening = false;
    const starting = startApp(config, log, happenings);
    const { graceMs } = config.drain;
    const close = async ({ signal, err }: Ending): Promise<void> => {
      if (err) log.fatal({ err }, "ending after an unexpected error");
      else log.info({ signal }, "closing");
      // Nobody has come yet: there is nobody to send away.
      const mayHaveClients = isListening;
      const app = await starting;
      // Other signals come from whoever sits before it, and waits for no balancer.
      if (signal === "SIGTERM" && mayHaveClients) await app.drain();
      await app.close();
      log.info("closed");
    };
    endInOrder(graceMs, {
      close,
      onSecondSignal: (signal) => {
        log.warn({ signal }, "told to end once more: whoever is still here is cut");
      },
      onOvertime: () => {
        log.fatal({ graceMs }, "closing has taken too long: whoever is still here is cut");
      },
      onErrorWhileClosing: (err) => {
        log.fatal({ err }, "an unexpected error while closing: whoever is still here is cut");
      },
    });
    const { url, metricsUrl: metrics } = await starting;
    isListening = true;
    log.info({ url, metrics, cluster: config.cluster.kind }, "listening");
    return url;
  } catch (error) {
    const place = listeningProblem(error, config);
    if (place === undefined) log.fatal({ err: error }, "the server could not start");
    else process.stderr.write(`${place}\n`);
    process.exitCode = 1;
    setTimeout(() => process.exit(), 1_000).unref();
    return undefined;
  }
}
