import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import type { Visit } from "./inputs.js";

/** What the server may take to answer a visitor, or to take notice of it. */
const ANSWER_MS = 3_000;
const POLLING = "?EIO=4&transport=polling";

/** Makes a visit, and resolves with all that the server has said when it is over. */
export async function makeVisit(port: number, visit: Visit): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const heard = new Heard(socket);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(ANSWER_MS) });
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
  } catch {
    // A connection that the server has reset.
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
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, AbortSignal.timeout(30)]);
    const heard = ["data", "end", "close"].map((event) => once(this.#socket, event, { signal }));
    await Promise.race(heard).catch(() => undefined);
    over.abort();
    await Promise.allSettled(heard);
  }
}
