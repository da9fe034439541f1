/** Requests one behind the other on a connection: each has its turn, whoever answers it. */
import { EventEmitter, once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import t from "tap";
import { ClientAddresses } from "../../server/dist/edge/gate/client-addresses.js";
import { closeOnClientError, createLimitedServer } from "../../server/dist/edge/http/server.js";
import { dropper } from "../../server/dist/edge/guard.js";
import { Pace } from "../../server/dist/edge/intake/pace.js";
import { Refusals } from "../../server/dist/telemetry/refusals.js";
import { RawBytes, requestHead } from "../helpers/clients/raw-bytes.js";
import { startServer } from "../helpers/processes/server-process.js";
import { refusalCodes } from "./helpers/refusal-log.js";

const LIMITS = {
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 5_000,
  maxAnswersBytes: 2 ** 24,
  requestsPerS: 100,
  requestsBurst: 100,
};
const UNKNOWN = requestHead("GET", "/unknown", ["Expect: foo"]);
const NAMELESS = "GET /nameless HTTP/1.1\r\n\r\n";

/** A connection that takes what is written until it is full: as where one answer just fits what the kernel holds. */
class FullSocket extends Duplex {
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  isFull = false;
  written = "";

  override _read(): void {
    // Whatever it is to read is pushed.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written += chunk.toString();
    this.emit("written");
    if (!this.isFull) done();
  }
}

for (const [status, refused] of [
  [417, UNKNOWN],
  [400, NAMELESS],
] as const) {
  void t.test(`nothing begins behind an answer ${String(status)} that is the last`, async (t) => {
    const begun: string[] = [];
    const over: string[] = [];
    const listener = ({ url = "" }: IncomingMessage, response: ServerResponse) => {
      begun.push(url);
      // Before Node.js hears of it.
      response.prependOnceListener("finish", () => (socket.isFull = true));
      response.once("close", () => over.push(url));
      response.end("a");
    };
    const log = pino({ level: "silent" });
    const refusals = new Refusals(log);
    const addresses = new ClientAddresses(false);
    const parts = { addresses, refusals, isDraining: () => false, drop: dropper(log) };
    const server = createLimitedServer(LIMITS, parts, listener);
    const socket = new FullSocket();
    server.emit("connection", socket);
    socket.push(requestHead("GET", "/first", []) + refused + requestHead("GET", "/last", []));
    while (!socket.written.includes(`HTTP/1.1 ${String(status)} `)) await once(socket, "written");
    for (let i = 0; i < 3; i++) await nextTurn();
    socket.destroy();
    await once(socket, "close");
    await nextTurn();
    t.strictSame(begun, ["/first"]);
    t.strictSame(over, begun, "whatever has begun is over with its connection");
    t.strictSame([...refusals.totals], [["invalid_request", 1]]);
  });
}

void t.test(
  "who is refused and waits for its answer is refused once, whatever comes of it",
  async (t) => {
    const log = pino({ level: "silent" });
    const refusals = new Refusals(log);
    const drop = dropper(log);
    const addresses = new ClientAddresses(false);
    const parts = { addresses, refusals, isDraining: () => false, drop };
    const server = createLimitedServer(
      { ...LIMITS, headersTimeoutMs: 100 },
      parts,
      () => undefined,
    );
    // As in a crowd: nobody's turn comes.
    const nobodysTurn = new Pace({ perS: 0, burst: 0, maxWaiting: 10 }, drop);
    const errors: string[] = [];
    const seen = new EventEmitter();
    server.on("clientError", (error: NodeJS.ErrnoException) => {
      errors.push(error.code ?? "");
      seen.emit(errors.length === 1 ? "refused" : "again");
    });
    server.on("clientError", closeOnClientError(refusals, nobodysTurn));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const again = once(seen, "again");
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, "127.0.0.1");
    t.teardown(() => {
      socket.destroy();
      server.close();
    });
    socket.on("error", () => undefined);
    socket.write("NO REQUEST\r\n\r\n");
    await again;
    t.strictSame(errors, ["HPE_INVALID_METHOD", "ERR_HTTP_REQUEST_TIMEOUT"]);
    t.strictSame([...refusals.totals], [["invalid_request", 1]]);
    t.equal(nobodysTurn.waiting, 1, "and has one place");
  },
);

void t.test("what HTTP has refused is a problem like others, and is logged", async (t) => {
  const server = await startServer();
  t.teardown(() => server.stop());
  for (const [status, refused] of [
    [417, UNKNOWN],
    [417, requestHead("POST", "/sessions/a/events", ["Expect: 100-continue, foo"])],
    [400, NAMELESS],
  ] as const) {
    const client = await RawBytes.open(server.url);
    client.send(requestHead("GET", "/healthz", []), refused);
    await client.ended();
    const problem = `HTTP/1.1 ${String(status)} .*application/problem.json.*"code":"invalid_request"`;
    t.match(client.received, new RegExp(`^HTTP/1.1 200 .*${problem}`, "s"));
  }
  t.ok(refusalCodes(server).has("invalid_request"));
  const old = await RawBytes.open(server.url);
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  await old.ended();
  t.match(old.received, "HTTP/1.1 200", "HTTP/1.0 needs no Host");
});
