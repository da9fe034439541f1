import { IncomingMessage } from "node:http";

/** Whether the client asked for another protocol, as Node.js has read it. */
const asked = Symbol("asked");

/**
 * A request that is a WebSocket's, or one like any other: what asks for a protocol that is not spoken here is answered as
 * if it had not (RFC 9110, section 7.8).
 *
 * Node.js writes `upgrade` when it has read the headers, and reads it to decide who gets the request. Its own way,
 * `shouldUpgradeCallback`, came with version 24.9.
 */
export class ClassroomRequest extends IncomingMessage {
  declare [asked]: boolean | undefined;

  get upgrade(): boolean {
    if (this[asked] !== true || this.method === "CONNECT") return this[asked] === true;
    return this.headers.upgrade?.toLowerCase() === "websocket";
  }

  set upgrade(value: boolean) {
    this[asked] = value;
  }
}

/** A request's target, of which the absolute form, with a scheme and a host, means the same (RFC 9112, section 3.2.2). */
export function inOriginForm(target: string): string {
  const rest = /^https?:\/\/[^/?#]*(.*)$/i.exec(target)?.[1];
  if (rest === undefined) return target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}
