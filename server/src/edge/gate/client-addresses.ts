import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import proxyAddr from "@fastify/proxy-addr";
import ipaddr from "ipaddr.js";

/** Whether what a peer says of a client's address is taken; `hop` is 0 for the one that is connected to us. */
type Trust = (peer: string, hop: number) => boolean;

/** Of an IPv6 address this is whose it is: the rest is chosen by whoever has it. */
const NETWORK_PARTS = 4;
/**
 * Prefixes by which translators tell of IPv4 addresses, which stand in the last 32 bits: NAT64's well-known one (RFC 6052,
 * section 2.1) and SIIT's (RFC 2765, section 2.1). In a network's own ones they stand anywhere.
 */
const TRANSLATED = ["64:ff9b::/96", "::ffff:0:0:0/96"].map((text) => ipaddr.IPv6.parseCIDR(text));
/** Who is connected to us. */
interface Peer {
  /** As Node.js gives it. */
  readonly text: string;
  readonly address: string | undefined;
  /** Whom it is put down to: `undefined` where it may speak for others. */
  readonly owner: string | undefined;
}

/** More proxies in a row there are not. */
const MAX_HOPS = 32;
/** The longest address is one of IPv6 that ends as one of IPv4, with brackets, a port, and a zone. */
const MAX_LENGTH = 80;

/** What has been worked out of a request: on itself, as a WeakMap would cost the collector of garbage for each. */
const client = Symbol("client");

interface Asked extends IncomingMessage {
  /** `null` where nobody can tell. */
  [client]?: string | null;
}

/** Says where requests come from. The only place that reads forwarded headers. */
export class ClientAddresses {
  readonly #trust: Trust;
  /** Whether anybody is believed to be a proxy. */
  readonly #hasProxies: boolean;
  readonly #isKnown: boolean;
  #onDistrusted: ((address: string) => void) | undefined;
  /** The last peer that was looked at: those who come together, come from the same proxy or the same school. */
  #newestPeer: Peer | undefined;

  /**
   * @param trustProxy - as in the configuration: where it is `undefined`, connections may all come from a load balancer that
   *   nobody has told us of
   * @param onDistrusted - told once of an address that says whom it speaks for, and is not among those who are believed
   */
  constructor(
    trustProxy: boolean | number | readonly string[] | undefined,
    onDistrusted: (address: string) => void = () => undefined,
  ) {
    this.#onDistrusted = onDistrusted;
    this.#trust = toTrust(trustProxy);
    this.#hasProxies = trustProxy !== undefined && trustProxy !== false && trustProxy !== 0;
    this.#isKnown = trustProxy !== undefined;
  }

  /** The address of the client of a request, as far as anything is known of it. Worked out once. */
  of(request: IncomingMessage): string | undefined {
    const asked: Asked = request;
    asked[client] ??= this.#find(request) ?? null;
    return asked[client] ?? undefined;
  }

  /** Whom a request is put down to: an address, of IPv6 its network; `undefined` where nobody knows whose address it is. */
  ownerOf(request: IncomingMessage): string | undefined {
    return this.#isKnown ? toOwner(this.of(request)) : undefined;
  }

  /** Goes from whoever is connected to us to whom he speaks for, as long as who says so is trusted. */
  #find(request: IncomingMessage): string | undefined {
    const peer = this.#peer(request.socket.remoteAddress)?.address;
    if (!this.#hasProxies || peer === undefined) return peer;
    // The peer is the first of them.
    const said = proxyAddr.all(request).slice(0, MAX_HOPS);
    let client = peer;
    for (const [hop, text] of said.slice(1).entries()) {
      if (!this.#trust(client, hop)) {
        if (hop === 0) this.#distrust(peer);
        return client;
      }
      const next = readAddress(text);
      if (next === undefined) return peer;
      client = next;
    }
    return client;
  }

  #distrust(peer: string): void {
    this.#onDistrusted?.(peer);
    this.#onDistrusted = undefined;
  }

  /** Whom a connection is put down to that has not asked for anything: `undefined` where it may be a proxy's. */
  ownerOfPeer(address: string | undefined): string | undefined {
    return this.#isKnown ? this.#peer(address)?.owner : undefined;
  }

  #peer(text: string | undefined): Peer | undefined {
    if (text === undefined) return undefined;
    if (this.#newestPeer?.text !== text) {
      const address = readAddress(text);
      const isProxy = address === undefined || this.#trust(address, 0);
      this.#newestPeer = { text, address, owner: isProxy ? undefined : toOwner(address) };
    }
    return this.#newestPeer;
  }
}

function toTrust(trustProxy: boolean | number | readonly string[] | undefined): Trust {
  if (typeof trustProxy === "object") return proxyAddr.compile([...trustProxy]);
  if (typeof trustProxy === "number") return (_peer, hop) => hop < trustProxy;
  return () => trustProxy === true;
}

/**
 * An address without what may stand beside it: brackets and a port, which some proxies add, and the zone of a link-local
 * one, which is a name of anybody's choice.
 *
 * @returns `undefined` where it is none
 */
function readAddress(text: string | undefined): string | undefined {
  if (text === undefined || text.length > MAX_LENGTH) return undefined;
  const inBrackets = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1];
  const address = (inBrackets ?? text.replace(/^([\d.]+):\d+$/, "$1")).replace(/%.*$/, "");
  return isIP(address) === 0 ? undefined : address;
}

/** @param address - as {@link readAddress} gives it */
function toOwner(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  // An IPv4 address may come as one of IPv6.
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  if (TRANSLATED.some((prefix) => parsed.match(prefix)))
    return new ipaddr.IPv4(parsed.toByteArray().slice(-4)).toString();
  const network = parsed.parts.slice(0, NETWORK_PARTS).map((part) => part.toString(16));
  return `${network.join(":")}::/64`;
}
