import type { EventEmitter } from "node:events";
import type { Socket as NetSocket } from "node:net";
import { Server as SocketServer, type Socket } from "socket.io";
import type { Test } from "tap";
import { startApp } from "../../../server/dist/app.js";
import { loadConfig } from "../../../server/dist/config/config.js";
import type { TolerantEngine } from "../../../server/dist/edge/engine-io/engine.js";
import { createLogger } from "../../../server/dist/telemetry/log.js";

/** The parts of Engine.IO's connection that the server uses, though its types hide them. */
export interface EngineConnection extends EventEmitter {
  readonly id: string;
  readonly readyState: string;
  readonly writeBuffer: readonly unknown[];
  readonly pingIntervalTimer: unknown;
  readonly pingTimeoutTimer: unknown;
  readonly hasRefreshedPingTimeout: unknown;
  readonly schedulePing: unknown;
  readonly sendPacket: unknown;
  readonly resetPingTimeout: unknown;
  readonly transport: EventEmitter & {
    readonly name: string;
    writable: boolean;
    readonly perMessageDeflate: unknown;
    readonly socket: EventEmitter & { readonly _socket: NetSocket };
  };
  flush(): void;
  write(packet: string, options: object): void;
}

/** The product's server in this process, with what tests reach inside of it. */
export interface AppInProcess {
  readonly url: string;
  readonly io: SocketServer;
  readonly engineIo: TolerantEngine;
  /** Every socket that is connected now. */
  sockets(): Socket[];
  /** What has been logged at `error`. */
  readonly errors: readonly string[];
}

interface BindSeam {
  bind: (this: SocketServer, engine: unknown) => SocketServer;
}

/** Starts it in memory. Its Socket.IO server is caught where an engine is bound to it, as the app does it itself. */
export async function startInProcess(
  t: Test,
  env: Readonly<Record<string, string>> = {},
): Promise<AppInProcess> {
  const bound: { io: SocketServer; engine: unknown }[] = [];
  const prototype = SocketServer.prototype as unknown as BindSeam;
  const { bind } = prototype;
  prototype.bind = function (engine) {
    bound.push({ io: this, engine });
    return bind.call(this, engine);
  };
  const config = loadConfig({ HOST: "127.0.0.1", PORT: "0", NODE_ID: "in-process", ...env });
  try {
    const log = createLogger("silent", "in-process");
    const errors: string[] = [];
    log.error = (_fields: unknown, message?: string) => {
      errors.push(message ?? "");
    };
    const app = await startApp(config, log);
    t.teardown(() => app.close());
    const { io, engine } = bound.at(-1) ?? {};
    if (!io) throw new Error("the app binds no engine to a Socket.IO server");
    return {
      url: app.url,
      io,
      errors,
      engineIo: engine as TolerantEngine,
      sockets: () => [...io.of("/").sockets.values()],
    };
  } finally {
    prototype.bind = bind;
  }
}

/** A socket's connection, as Engine.IO made it. */
export function engineConnection(socket: Socket | undefined): EngineConnection {
  if (!socket) throw new Error("no socket is connected");
  return socket.conn as unknown as EngineConnection;
}
