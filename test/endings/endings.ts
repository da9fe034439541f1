import {
  CLOSE_FRAME,
  INVALID_FRAME,
  RawBytes,
  requestHead,
  textFrame,
  upgradeHead,
} from "../helpers/clients/raw-bytes.js";

/** One way in which a connection ends: resolves when the client has done its part of it. */
export type Ending = (url: string, path: string) => Promise<unknown>;

const JOIN = textFrame("40");
const SEPARATOR = "\u001e";

/** Long polling: connects by hand, and sends each body as soon as the one before has been taken. */
function polling(...bodies: readonly string[]): Ending {
  return async (url, path) => {
    const { raw, post } = await openPolling(url, path);
    for (const body of bodies) post(body);
    await raw.until("ok");
    raw.socket.destroy();
  };
}

async function openPolling(url: string, path: string) {
  const raw = await RawBytes.open(url);
  const query = "?EIO=4&transport=polling";
  raw.send(requestHead("GET", `${path}${query}`, []));
  const answer = await raw.until('"maxPayload"');
  const sid = /"sid":"([^"]+)"/.exec(answer)?.[1] ?? "";
  const post = (body: string) => {
    const headers = [`Content-Length: ${String(body.length)}`, "Content-Type: text/plain"];
    raw.send(requestHead("POST", `${path}${query}&sid=${sid}`, headers), body);
  };
  return { raw, post, sid };
}

/** Opens a WebSocket, sends some bytes in one segment, and ends the connection in some way. */
function webSocket(
  query: string,
  bytes: readonly Buffer[],
  end: (raw: RawBytes) => unknown,
): Ending {
  return async (url, path) => {
    const raw = await RawBytes.open(url);
    raw.send(upgradeHead(`${path}${query}`));
    await raw.until("\r\n\r\n");
    if (query !== "") await raw.until('"maxPayload"');
    if (bytes.length > 0) raw.send(...bytes);
    await end(raw);
    raw.socket.destroy();
  };
}

/** The same, with all of it in one segment with the request. */
function inFirstSegment(query: string, bytes: readonly Buffer[], end: (raw: RawBytes) => unknown) {
  const ending: Ending = async (url, path) => {
    const raw = await RawBytes.open(url);
    raw.send(upgradeHead(`${path}${query}`), ...bytes);
    await end(raw);
    raw.socket.destroy();
  };
  return ending;
}

const EIO = "?EIO=4&transport=websocket";
const reset = ({ socket }: RawBytes) => socket.resetAndDestroy();
const isToldTo = (raw: RawBytes) => raw.ended();

/** How connections end that have asked to be admitted. */
export const ENDINGS: Readonly<Record<string, Ending>> = {
  "polling: CONNECT and close in one body": polling(`40${SEPARATOR}1`),
  "polling: CONNECT and DISCONNECT in one body": polling(`40${SEPARATOR}41`),
  "polling: CONNECT, and close right behind it": polling("40", "1"),
  "polling: CONNECT, and another one behind the close": polling(`40${SEPARATOR}1${SEPARATOR}40`),
  "polling: gone without a word": polling("40"),
  "upgrade: gone half-way": async (url, path) => {
    const { raw, post, sid } = await openPolling(url, path);
    post("40");
    const upgrade = await RawBytes.open(url);
    upgrade.send(upgradeHead(`${path}${EIO}&sid=${sid}`), textFrame("2probe"));
    await upgrade.until("3probe");
    upgrade.socket.destroy();
    raw.socket.destroy();
  },
  "upgrade: closed by polling half-way": async (url, path) => {
    const { raw, post, sid } = await openPolling(url, path);
    const upgrade = await RawBytes.open(url);
    upgrade.send(upgradeHead(`${path}${EIO}&sid=${sid}`), textFrame("2probe"));
    await upgrade.until("3probe");
    post(`40${SEPARATOR}1`);
    await raw.until("ok");
    await upgrade.ended();
    upgrade.socket.destroy();
    raw.socket.destroy();
  },
  "WebSocket: CONNECT and an invalid frame": webSocket(EIO, [JOIN, INVALID_FRAME], isToldTo),
  "WebSocket: CONNECT and a close frame": webSocket(EIO, [JOIN, CLOSE_FRAME], isToldTo),
  "WebSocket: CONNECT and DISCONNECT": webSocket(EIO, [JOIN, textFrame("41")], (raw) =>
    raw.until("\u0088"),
  ),
  "WebSocket: CONNECT and a reset": webSocket(EIO, [JOIN], reset),
  "WebSocket: a resume that has ended": webSocket(
    EIO,
    [textFrame('40{"pid":"x","offset":"1-1"}'), INVALID_FRAME],
    isToldTo,
  ),
  "WebSocket: CONNECT in the first segment, and an invalid frame": inFirstSegment(
    EIO,
    [JOIN, INVALID_FRAME],
    isToldTo,
  ),
  "WebSocket: another namespace": webSocket(EIO, [textFrame("40/x,"), INVALID_FRAME], isToldTo),
  "plain: reset at once": webSocket("", [], reset),
  "plain: destroyed at once": webSocket("", [], ({ socket }) => socket.destroy()),
  "plain: an invalid frame": webSocket("", [INVALID_FRAME], isToldTo),
  "plain: an invalid frame in the first segment": inFirstSegment("", [INVALID_FRAME], isToldTo),
  "plain: a close frame in the first segment": inFirstSegment("", [CLOSE_FRAME], isToldTo),
  "plain: a reset in the first segment": inFirstSegment("", [], reset),
};

/** How connections end that are refused: the client leaves all of it to the server. */
export const REFUSALS: Readonly<Record<string, (url: string) => Promise<RawBytes>>> = {
  "an address that there is not": (url) => knock(url, "/ws/session/x/nobody/", " 404 "),
  "an Engine.IO session that there is not": (url) =>
    knock(url, `/ws/session/x/teacher/${EIO}&sid=x`, " 400 "),
  "a transport that there is not": (url) =>
    knock(url, "/ws/session/x/teacher/?EIO=4&transport=x", " 400 "),
  "a revision of Engine.IO that is not spoken": (url) =>
    knock(url, "/ws/session/x/teacher/?EIO=3&transport=websocket", " 400 "),
};

async function knock(url: string, path: string, status: string): Promise<RawBytes> {
  const raw = await RawBytes.open(url);
  raw.send(upgradeHead(path));
  await raw.until(status);
  return raw;
}
