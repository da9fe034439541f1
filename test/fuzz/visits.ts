import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import type { Visit } from "./inputs.js";
import { within } from "./waits.js";

/** Longer than who hangs is waited for. */
const CONNECT_MS = 30_000;
/** A visitor waits so long for an answer, where it may be that the server has nothing to say. */
const ANSWER_MS = 30;
const POLLING = "?EIO=4&transport=polling";

/**
 * Makes a visit, and resolves with all that the server has said when it is over, or `undefined` where it took no connection.
 *
 * @throws WaitOver
 */
export async function makeVisit(port: number, visit: Visit): Promise<string | undefined> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const heard = new Heard(socket);
  const isConnected = once(socket, "connect").then(
    () => true,
    () => false,
  );
  try {
    if (!(await within(CONNECT_MS, "a connection to be taken", isConnected))) return undefined;
    switch (visit.door) {
      case "http":
        for (const piece of visit.pieces) {
          if (!heard.isOpen) break;
          socket.write(piece);
        }
        // What is wrong ends the connection; what is right is answered.
        await heard.something();
        break;
      case "webSocket":
        socket.write(upgradeHead(visit.target));
        await heard.something();
        for (const piece of visit.pieces) {
          if (!heard.isOpen) break;
          socket.write(piece);
        }
        await heard.something();
        break;
      case "polling":
        await poll(socket, heard, visit);
        break;
    }
    return heard.text;
  } finally {
    socket.destroy();
  }
}

async function poll(socket: Socket, heard: Heard, visit: Visit & { door: "polling" }) {
  socket.write(requestHead("GET", `${visit.target}${POLLING}`, []));
  await heard.something();
  const sid = /"sid":"([^"]+)"/.exec(heard.text)?.[1] ?? "";
  for (const [index, body] of visit.pieces.entries()) {
    if (!heard.isOpen) return;
    const method = visit.methods[index % visit.methods.length] ?? "POST";
    const headers = [`Content-Length: ${String(body.length)}`, "Content-Type: text/plain"];
    socket.write(requestHead(method, `${visit.target}${POLLING}&sid=${sid}`, headers));
    socket.write(body);
    await heard.something();
  }
}

/** What has come on a connection. */
class Heard {
  readonly #socket: Socket;
  #text = "";

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      this.#text = (this.#text + chunk.toString("latin1")).slice(-200_000);
    });
  }

  get text(): string {
    return this.#text;
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable && !this.#socket.readableEnded;
  }

  /** Resolves when anything has come, when the connection has ended, or soon where the server has nothing to say. */
  async something(): Promise<void> {
    if (!this.isOpen) return;
    const socket = this.#socket;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        for (const event of WHATEVER) socket.off(event, done);
        resolve();
      };
      const timer = setTimeout(done, ANSWER_MS);
      for (const event of WHATEVER) socket.on(event, done);
    });
  }
}

const WHATEVER = ["data", "end", "close"];
