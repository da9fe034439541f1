import { RawBytes, requestHead } from "./raw-bytes.js";

const QUERY = "?EIO=4&transport=polling";

/** Engine.IO's long polling by hand, over one connection for requests that send and one for each poll. */
export interface RawPolling {
  readonly raw: RawBytes;
  readonly sid: string;
  /** The head of a request to the connection. */
  head(method: string, headers: readonly string[]): string;
  /** Sends a body, and resolves with the status of the answer. */
  postNow(body: string, options?: { chunked?: boolean }): Promise<number>;
  /** Polls by another connection, and resolves with the status. */
  statusOfPoll(): Promise<number>;
}

/** Opens an Engine.IO connection; nothing is sent on it yet. */
export async function openPolling(url: string, path: string): Promise<RawPolling> {
  const raw = await RawBytes.open(url);
  raw.send(requestHead("GET", `${path}${QUERY}`, []));
  const sid = /"sid":"([^"]+)"/.exec(await raw.until('"maxPayload"'))?.[1] ?? "";
  const head = (method: string, headers: readonly string[]) =>
    requestHead(method, `${path}${QUERY}&sid=${sid}`, headers);
  let answers = 1;
  return {
    raw,
    sid,
    head,
    postNow: async (body, { chunked = false } = {}) => {
      answers++;
      const length = Buffer.byteLength(body);
      if (chunked) {
        const headers = ["Transfer-Encoding: chunked", "Content-Type: text/plain"];
        raw.send(head("POST", headers), `${length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
      } else {
        const headers = [`Content-Length: ${length}`, "Content-Type: text/plain"];
        raw.send(head("POST", headers), body);
      }
      return statusOf(await raw.until("HTTP/1.1 ", answers));
    },
    statusOfPoll: async () => {
      const poll = await RawBytes.open(url);
      try {
        poll.send(head("GET", []));
        return statusOf(await poll.until("HTTP/1.1 "));
      } finally {
        poll.socket.destroy();
      }
    },
  };
}

/** Of the newest answer. */
function statusOf(received: string): number {
  const newest = received.slice(received.lastIndexOf("HTTP/1.1 "));
  return Number(newest.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length));
}
