import { startServer, type ServerProcess } from "../../helpers/processes/server-process.js";
import { Ends } from "../../helpers/topologies/ends.js";
import { startTopology } from "../../helpers/topologies/topologies.js";
import type { TopologyKind } from "../../helpers/topologies/topology.js";
import type { FailoverOptions } from "./options.js";
import { runRow, type Row, type RowOptions } from "./row.js";
import { HISTORY_LIMIT } from "./school.js";

const REPLICAS = 3;
const MAX_LOG_LINES = 20_000;

export interface FailoverReport {
  readonly isClean: boolean;
  readonly rows: readonly Row[];
  /** What could not be made, or did not come to an end. */
  readonly failures: readonly string[];
  /** What the replicas logged. */
  readonly logs: readonly string[];
}

/**
 * Makes each fault on each kind of Redis, with three replicas on it, and judges what clients and publishers heard.
 *
 * @param onTime - told of each fault when it is over
 */
export async function failover(
  options: FailoverOptions,
  onTime: (line: string) => void = () => undefined,
): Promise<FailoverReport> {
  const { seconds } = options;
  const stopAt = seconds === undefined ? Infinity : performance.now() + seconds * 1_000;
  const rows: Row[] = [];
  const failures: string[] = [];
  const logs: string[] = [];
  for (const redis of options.redis) {
    const owner = new Ends();
    try {
      await onOne(owner, redis, { ...options, onTime, stopAt }, rows, logs);
    } catch (error) {
      failures.push(`${redis}: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
    } finally {
      await owner.end();
    }
  }
  const isClean = failures.length === 0 && rows.every(({ broken }) => broken.length === 0);
  return { isClean, rows, failures, logs };
}

async function onOne(
  owner: Ends,
  redis: TopologyKind,
  options: FailoverOptions & Pick<RowOptions, "onTime" | "stopAt">,
  rows: Row[],
  logs: string[],
): Promise<void> {
  const topology = await startTopology(owner, redis);
  const { waitReplicas, main } = options;
  const ended: string[] = [];
  let isOver = false;
  const servers = await Promise.all(
    Array.from({ length: REPLICAS }, async (_, i): Promise<ServerProcess> => {
      const nodeId = `replica-${String(i + 1)}`;
      const server = await startServer({
        env: {
          NODE_ID: nodeId,
          REDIS_URL: topology.url,
          REDIS_WAIT_REPLICAS: String(waitReplicas),
          HISTORY_LIMIT: String(HISTORY_LIMIT),
        },
        ...(main !== undefined && { main }),
        onLine: (line) => {
          logs.push(`${redis} ${nodeId} ${line}`);
          if (logs.length > MAX_LOG_LINES) logs.shift();
        },
      });
      owner.teardown(() => server.stop());
      void server.exited.then(() => {
        if (!isOver) ended.push(nodeId);
      });
      return server;
    }),
  );
  try {
    for (const fault of options.faults) {
      const row = await runRow(fault, { ...options, topology, servers, ended: () => ended });
      if (row) rows.push(row);
    }
  } finally {
    isOver = true;
  }
}
