import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";

/** A way to Redis that takes its time, in each direction. */
export interface SlowLink {
  readonly url: string;
  close(): Promise<void>;
}

/** Opens a way to the Redis at `url` on which each byte is `latencyMs` under way. */
export async function slowLink(url: string, latencyMs: number): Promise<SlowLink> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: hostname, port: Number(port), noDelay: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(late(latencyMs)).pipe(far);
    far.pipe(late(latencyMs)).pipe(near);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** Hands on what it gets, all of it later: what comes meanwhile does not wait for what came before. */
function late(latencyMs: number): Transform {
  let waiting = 0;
  return new Transform({
    transform(chunk, _encoding, done) {
      waiting++;
      setTimeout(() => {
        waiting--;
        if (!this.destroyed) this.push(chunk);
      }, latencyMs);
      done();
    },
    flush(done) {
      if (waiting === 0) done();
      else setTimeout(done, latencyMs);
    },
  });
}
