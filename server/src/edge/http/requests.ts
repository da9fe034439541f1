import { IncomingMessage } from "node:http";
import { parseAddress } from "../../classroom/address.js";
import { isAsking } from "../intake/bodies.js";
import { conversationOn } from "./conversation.js";
import { HttpProblem } from "./problems.js";

/** Among what an `Accept` lists, and not with the weight by which it is not wanted (RFC 9110, section 12.5.1). */
const EVENT_STREAM = /(^|,)\s*text\/event-stream\s*(,|$|;(?!\s*q=0(\.0*)?\s*(,|$)))/i;

const WEBSOCKET = "websocket";

/** Whether the client asked for another protocol, as Node.js has read it. */
const asked = Symbol("asked");
/** Whether its connection had no room for it. */
const tooMany = Symbol("too many");

/**
 * A request that is a WebSocket's, or one like any other: what asks for a protocol that is not spoken here is answered as
 * if it had not (RFC 9110, section 7.8).
 *
 * One that is too many for its connection is an upgrade, too, for Node.js: it reads nothing behind an upgrade, where it would
 * make an object of each of the thousand requests that it has read at once, and their connection is cut all the same.
 *
 * Node.js writes `upgrade` when it has read the headers, and reads it to decide who gets the request. Its own way,
 * `shouldUpgradeCallback`, came with version 24.9.
 */
export class ClassroomRequest extends IncomingMessage {
  declare [asked]: boolean | undefined;
  declare [tooMany]: boolean | undefined;

  get upgrade(): boolean {
    if (this[tooMany] === true) return true;
    if (this[asked] !== true || this.method === "CONNECT") return this[asked] === true;
    return this.#isForWebSocket();
  }

  set upgrade(value: boolean) {
    this[asked] = value;
    // As it was when its headers came: Node.js asks again when it has read all, and others may have come behind it by then.
    this[tooMany] ??= this.socket.destroyed || conversationOn(this.socket)?.isFull === true;
  }

  /**
   * Of several protocols one is chosen (RFC 9110, section 7.8): that of WebSockets, where there is one. HTTP/1.0 knows of no
   * upgrade.
   */
  #isForWebSocket(): boolean {
    const { upgrade } = this.headers;
    if (upgrade === undefined || this.httpVersion === "1.0") return false;
    if (upgrade.toLowerCase() === WEBSOCKET) return true;
    const isListed = upgrade.split(",").some((name) => name.trim().toLowerCase() === WEBSOCKET);
    if (!isListed || !parseAddress(inOriginForm(this.url ?? "/"))) return false;
    // `ws` takes no list.
    this.headers.upgrade = WEBSOCKET;
    return true;
  }
}

/** Whether a request's connection had as many unanswered ones as it may, or had been cut, when it came. */
export function isTooMany(request: IncomingMessage): boolean {
  return request instanceof ClassroomRequest && request[tooMany] === true;
}

/**
 * Whether requests that came before it on the same connection have not been answered. Their answers would have to come
 * first (RFC 9112, section 9.3.2), and would come among the frames of a WebSocket.
 */
export function isBehindOthers({ socket }: IncomingMessage): boolean {
  return (conversationOn(socket)?.unanswered.length ?? 0) > 0;
}

/** A request's target, of which the absolute form, with a scheme and a host, means the same (RFC 9112, section 3.2.2). */
export function inOriginForm(target: string): string {
  const rest = /^(?:http|ws)s?:\/\/[^/?#]*(.*)$/i.exec(target)?.[1];
  if (rest === undefined) return target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/**
 * A target that can be decoded. What cannot (`/%zz`) is the name of nothing, as any other that has a per cent sign in it, and
 * is answered in the same way, by whatever looks for it.
 */
export function decodable(target: string): string {
  const end = target.search(/[?#]/);
  const path = end < 0 ? target : target.slice(0, end);
  if (!path.includes("%")) return target;
  try {
    decodeURI(path);
    return target;
  } catch {
    return path.replaceAll("%", "%25") + target.slice(path.length);
  }
}

/** Whether a client asks for an event stream. Only by name: whoever takes anything would wait for the end of it. */
export function wantsEventStream({ headers: { accept } }: IncomingMessage): boolean {
  return accept !== undefined && EVENT_STREAM.test(accept);
}

/** What is refused whatever is asked for, and in an upgrade as well (RFC 9110, section 10.1.1; RFC 9112, sections 3.2 and 6.1). */
export function findMisuse(request: IncomingMessage): HttpProblem | undefined {
  const { url = "", method, httpVersion, headers, rawHeaders } = request;
  if (!url.startsWith("/") && !(url === "*" && method === "OPTIONS")) {
    return misuse(400, "a request is for a path, or for a URL of http or https: send one");
  }
  if (httpVersion !== "1.1") return undefined;
  if (headers.host === undefined || isTwice("host", rawHeaders)) {
    return misuse(400, "a request of HTTP/1.1 names its Host, once: send it so");
  }
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    const detail = "a body comes as it is, or chunked: send it with no other Transfer-Encoding";
    return new HttpProblem(501, "not_implemented", detail);
  }
  if (headers.expect === undefined || isAsking(headers)) return undefined;
  return misuse(417, "nothing is known here of what is expected: leave out Expect");
}

function misuse(status: 400 | 417, detail: string): HttpProblem {
  return new HttpProblem(status, "invalid_request", detail);
}

/** @param rawHeaders - names and values, one after the other */
function isTwice(name: string, rawHeaders: readonly string[]): boolean {
  let times = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const header = rawHeaders[i];
    if (header?.length === name.length && header.toLowerCase() === name) times++;
  }
  return times > 1;
}
