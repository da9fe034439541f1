import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import fc from "fast-check";
import t, { type Test } from "tap";
import { descriptorOf, writeNow as writeTo } from "../../server/dist/edge/wire/write-now.js";

/** To run the writes of another run: FC_SEED=<its seed>. */
const SEED = Number(process.env["FC_SEED"] ?? randomInt(2 ** 31));
const RUNS = 40;

async function listen(t: Test): Promise<Server> {
  const listener = createServer({ noDelay: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.teardown(() => listener.close());
  return listener;
}

/** Both ends of a TCP connection. The client reads nothing by itself. */
async function pair(t: Test, to?: Server): Promise<{ server: Socket; client: Socket }> {
  const listener = to ?? (await listen(t));
  const { port } = listener.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1" });
  const [server] = (await once(listener, "connection")) as [Socket];
  client.pause();
  t.teardown(() => {
    client.destroy();
    server.destroy();
  });
  return { server, client };
}

function writeNow(socket: Socket, bytes: Buffer): void {
  writeTo(socket, descriptorOf(socket), bytes);
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

void t.test("what the kernel takes never enters the stream", async (t) => {
  const { server, client } = await pair(t);
  writeNow(server, Buffer.from("now"));
  t.equal(server.bytesWritten, 0, "the private parts of Node.js are where they were");
  server.end();
  t.equal((await readAll(client)).toString(), "now");
});

void t.test(`bytes stay in order, whatever the kernel takes of them (seed ${SEED})`, async (t) => {
  const step = fc.record({
    way: fc.constantFrom("now", "stream", "turn"),
    // The kernel keeps up to a few MiB for a client that does not read.
    length: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 900_000 })),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const { server, client } = await pair(t);
      const written: Buffer[] = [];
      for (const [i, { way, length }] of steps.entries()) {
        if (way === "turn") {
          await new Promise(setImmediate);
          continue;
        }
        const bytes = Buffer.alloc(length, i + 1);
        written.push(bytes);
        if (way === "now") writeNow(server, bytes);
        else server.write(bytes);
      }
      server.end();
      return (await readAll(client)).equals(Buffer.concat(written));
    }),
    { numRuns: RUNS, seed: SEED },
  );
});

void t.test("a client that reads nothing gets the rest when it reads", async (t) => {
  const { server, client } = await pair(t);
  const bytes = Buffer.alloc(100_000, "x");
  let count = 0;
  // Until the kernel has taken a part only, or nothing.
  while (server.writableLength === 0) {
    writeNow(server, bytes);
    count++;
  }
  t.ok(count > 1, `the kernel took ${count - 1} of them`);
  writeNow(server, Buffer.from("end"));
  server.end();
  const received = await readAll(client);
  t.equal(received.length, count * bytes.length + 3);
  t.equal(received.subarray(-4).toString(), "xend");
});

void t.test("what waits in the stream is not overtaken when there is room again", async (t) => {
  const { server, client } = await pair(t);
  const MANY = 250;
  const written: Buffer[] = [];
  const write = () => {
    const bytes = Buffer.alloc(100_000, written.length);
    written.push(bytes);
    writeNow(server, bytes);
  };
  while (server.writableLength === 0) write();
  const received: Buffer[] = [];
  client.on("data", (chunk: Buffer) => {
    received.push(chunk);
    // Sooner or later the kernel has room again, and the stream does not know yet.
    if (written.length < MANY) write();
    else if (server.writable) server.end();
  });
  client.resume();
  await once(client, "end");
  t.ok(Buffer.concat(received).equals(Buffer.concat(written)));
});

void t.test("what is corked stays together", async (t) => {
  const { server, client } = await pair(t);
  server.cork();
  writeNow(server, Buffer.from("a"));
  server.write("b");
  t.equal(server.writableLength, 2, "nothing has left");
  server.uncork();
  server.end();
  t.equal((await readAll(client)).toString(), "ab");
});

void t.test("nothing goes below TLS", async (t) => {
  const { server, client } = await pair(t);
  writeNow(Object.assign(server, { encrypted: true }), Buffer.from("secret"));
  t.equal(server.bytesWritten, 6, "it went through the stream");
  server.end();
  await readAll(client);
});

void t.test("what is for a connection that has ended does not reach the next one", async (t) => {
  const listener = await listen(t);
  const { server: ended } = await pair(t, listener);
  const descriptor = descriptorOf(ended);
  ended.destroy();
  await once(ended, "close");
  // New descriptors are the lowest numbers that are free.
  const { client, server } = await pair(t, listener);
  const ends = [client, server];
  t.ok(ends.map(descriptorOf).includes(descriptor), "the descriptor is in use again");
  writeTo(ended, descriptor, Buffer.from("secret"));
  for (const end of ends) end.end();
  const received = await Promise.all(ends.map(readAll));
  t.equal(received.join(""), "");
});

void t.test("a client that is gone ends the connection, and throws nothing", async (t) => {
  const { server, client } = await pair(t);
  const failed = once(server, "error");
  client.resetAndDestroy();
  const write = () => {
    if (server.writable) writeNow(server, Buffer.from("x"));
  };
  const timer = setInterval(write, 1);
  t.teardown(() => {
    clearInterval(timer);
  });
  const [error] = (await failed) as [NodeJS.ErrnoException];
  t.match(error.code, /^(EPIPE|ECONNRESET)$/);
});
