import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the range from which systems take the ports of outgoing connections (from 32768 on Linux):
 * else one of ten thousand test clients could sit on the port of a server that is to come back.
 */
const firstPort = 20_000;
const lastPort = 29_999;
const maxAttempts = 20;

/** Whether a server could listen on the port now. */
export async function isFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host, exclusive: true });
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Anything else says that there is no such address, and no port of it either.
    if (code === "EADDRINUSE" || code === "EACCES") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}

/** Those that this process has given: whoever had one may be killed, and be looked for there by its Sentinels and replicas. */
const given = new Set<number>();

/** A port of 127.0.0.1 that was free a moment ago, and that stays free after a server's death. None is given twice. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const port = randomInt(firstPort, lastPort + 1);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`No free port between ${firstPort} and ${lastPort} in ${maxAttempts} attempts`);
}

/**
 * Starts something on the wanted port, or else on a free one: on another if somebody was faster.
 * Rejects as `start` does, whose error has to quote the program's "address already in use", or our own words for it.
 */
export async function onPort<T>(
  wanted: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (wanted !== undefined) return start(wanted);
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (
        attempt === maxAttempts ||
        !/EADDRINUSE|address already in use|PORT \d+ is taken/i.test(String(error))
      ) {
        throw error;
      }
    }
  }
}
