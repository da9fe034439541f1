import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import proxyAddr from "@fastify/proxy-addr";
import ipaddr from "ipaddr.js";

/** Whether what a peer says of a client's address is taken; `hop` is 0 for the one that is connected to us. */
type Trust = (peer: string, hop: number) => boolean;

/** Of an IPv6 address this is whose it is: the rest is chosen by whoever has it. */
const NETWORK_PARTS = 4;

/** Says where requests come from. The only place that reads forwarded headers. */
export class ClientAddresses {
  readonly #trust: Trust;
  /** Whether anybody is believed to be a proxy. */
  readonly #hasProxies: boolean;
  readonly #isKnown: boolean;

  /**
   * @param trustProxy - as in the configuration: where it is `undefined`, connections may all come from a load balancer that
   *   nobody has told us of
   */
  constructor(trustProxy: boolean | number | readonly string[] | undefined) {
    this.#trust = toTrust(trustProxy);
    this.#hasProxies = trustProxy !== undefined && trustProxy !== false && trustProxy !== 0;
    this.#isKnown = trustProxy !== undefined;
  }

  /** The address of the client of a request, as far as anything is known of it. For logs. */
  of(request: IncomingMessage): string | undefined {
    if (!this.#hasProxies) return request.socket.remoteAddress;
    const address = withoutPort(proxyAddr(request, this.#trust));
    return isIP(address) === 0 ? request.socket.remoteAddress : address;
  }

  /** Whom a request is put down to: an address, of IPv6 its network; `undefined` where nobody knows whose address it is. */
  ownerOf(request: IncomingMessage): string | undefined {
    return this.#isKnown ? toOwner(this.of(request)) : undefined;
  }

  /** Whom a connection is put down to that has not asked for anything: `undefined` where it may be a proxy's. */
  ownerOfPeer(address: string | undefined): string | undefined {
    if (!this.#isKnown || address === undefined || this.#trust(address, 0)) return undefined;
    return toOwner(address);
  }
}

function toTrust(trustProxy: boolean | number | readonly string[] | undefined): Trust {
  if (typeof trustProxy === "object") return proxyAddr.compile([...trustProxy]);
  if (typeof trustProxy === "number") return (_peer, hop) => hop < trustProxy;
  return () => trustProxy === true;
}

/** Some proxies add it. */
function withoutPort(text: string | undefined): string {
  return /^\[(.+)\](?::\d+)?$/.exec(text ?? "")?.[1] ?? text?.replace(/^([\d.]+):\d+$/, "$1") ?? "";
}

function toOwner(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  // An IPv4 address may come as one of IPv6.
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const network = parsed.parts.slice(0, NETWORK_PARTS).map((part) => part.toString(16));
  return `${network.join(":")}::/64`;
}
