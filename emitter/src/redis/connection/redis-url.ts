import { isIP, isIPv6 } from "node:net";

/** Where one server listens. */
export interface RedisAddress {
  /** A name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Who asks Redis, and how. */
interface Access {
  /** Both or none. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly isTls: boolean;
}

/** What a URL says of a Redis. */
export type RedisTarget = Access &
  (
    | { readonly kind: "standalone"; readonly address: RedisAddress }
    | {
        readonly kind: "sentinel";
        readonly sentinels: readonly RedisAddress[];
        /** What the Sentinels call the primary and its replicas. */
        readonly name: string;
      }
    | {
        readonly kind: "cluster";
        /** Some of its nodes: they name the others. */
        readonly nodes: readonly RedisAddress[];
      }
  );

/** A Redis Cluster. */
export type ClusterTarget = RedisTarget & { readonly kind: "cluster" };
/** One Redis, whichever it is at the moment. */
export type OneRedisTarget = Exclude<RedisTarget, ClusterTarget>;

/** Why a URL is none. A sentence that begins after the name of what holds it, and never holds any of it. */
export interface UrlProblem {
  readonly problem: string;
}

const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;
/** With what a URL of Redis may begin, for whoever is told so. */
export const SCHEMES =
  "redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://";
const SCHEME = /^(rediss?)(?:\+([a-z]*))?:\/\//i;
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?$/;
/** What Sentinel takes for a name (`src/sentinel.c`, `sentinelInvalidCtrlChars` and on). */
const PRIMARY_NAME = /^[A-Za-z0-9._-]{1,255}$/;

const NO_DATABASES =
  "names a database number, but Pub/Sub has none, so two databases of one Redis would hear each other: leave it out, and use another Redis to keep things apart";

/**
 * Reads a URL: `redis://` or `rediss://` (TLS), `redis+sentinel://` or `rediss+sentinel://` with several hosts and a name,
 * `redis+cluster://` or `rediss+cluster://` with several hosts. IPv6 addresses stand in brackets.
 */
export function parseRedisUrl(text: string): RedisTarget | UrlProblem {
  const scheme = SCHEME.exec(text);
  if (!scheme) {
    return {
      problem: `must begin with ${SCHEMES}, then user and password if any, host and port`,
    };
  }
  const [begin, protocol = "", kind] = scheme;
  const rest = text.slice(begin.length);
  // As in any URL: a slash, a question mark or a number sign ends what is said of hosts, and the last @ begins the hosts.
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const path = end < 0 ? "" : rest.slice(end);
  if (path.includes("@")) {
    const ways = "%2F, %3F or %23";
    return {
      problem: `has a /, ? or # in front of its @: in a user or password write ${ways} for it`,
    };
  }
  if (/[?#]/.test(path)) {
    return { problem: "goes on with ? or #, of which nothing is read: leave it out" };
  }
  const at = authority.lastIndexOf("@");
  const user = parseUser(authority.slice(0, Math.max(at, 0)));
  if (user === undefined) {
    return { problem: "holds a user or password with a % that begins no %xx: write %25 for it" };
  }
  if (user.username !== undefined && user.password === undefined) {
    return { problem: "names a user without a password: user:password@, or :password@ alone" };
  }
  const access = { ...user, isTls: protocol.toLowerCase() === "rediss" };
  const hosts = authority.slice(at + 1);
  switch (kind?.toLowerCase()) {
    case undefined:
      return standalone(access, hosts, path);
    case "sentinel":
      return sentinel(access, hosts, path);
    case "cluster":
      return cluster(access, hosts, path);
    default:
      return {
        problem: `must begin with ${SCHEMES}`,
      };
  }
}

function standalone(access: Access, hosts: string, path: string): RedisTarget | UrlProblem {
  if (Number(path.slice(1)) > 0) return { problem: NO_DATABASES };
  if (!/^\/?0*$/.test(path)) return { problem: "must end behind its host and port" };
  const addresses = parseAddresses(hosts, REDIS_PORT);
  if ("problem" in addresses) return addresses;
  const [address, another] = addresses;
  if (!address || another) {
    return {
      problem:
        "names several hosts, which only redis+sentinel://, redis+cluster:// and those with rediss may",
    };
  }
  return { kind: "standalone", address, ...access };
}

function sentinel(access: Access, hosts: string, path: string): RedisTarget | UrlProblem {
  const sentinels = parseAddresses(hosts, SENTINEL_PORT);
  if ("problem" in sentinels) return sentinels;
  const name = path.slice(1);
  if (!PRIMARY_NAME.test(name)) {
    return {
      problem:
        "must end with a slash and what the Sentinels call the primary: redis+sentinel://user:password@a,b,c/name",
    };
  }
  return { kind: "sentinel", sentinels, name, ...access };
}

function cluster(access: Access, hosts: string, path: string): RedisTarget | UrlProblem {
  if (Number(path.slice(1)) > 0) return { problem: NO_DATABASES };
  if (!/^\/?0*$/.test(path)) return { problem: "must end behind its hosts and ports" };
  const nodes = parseAddresses(hosts, REDIS_PORT);
  return "problem" in nodes ? nodes : { kind: "cluster", nodes, ...access };
}

function parseAddresses(text: string, port: number): readonly RedisAddress[] | UrlProblem {
  const addresses: RedisAddress[] = [];
  for (const part of text.split(",")) {
    const address = parseAddress(part, port);
    if (!address) {
      return {
        problem:
          "names a host and port that are none: host, host:port or [IPv6 address]:port, ports up to 65535",
      };
    }
    addresses.push(address);
  }
  return addresses;
}

function parseAddress(text: string, port: number): RedisAddress | undefined {
  const [, inBrackets, name, digits] =
    /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = inBrackets ?? name;
  if (host === undefined) return undefined;
  if (inBrackets === undefined ? !HOST_NAME.test(host) : !isIPv6(host)) return undefined;
  const number = digits === undefined ? port : Number(digits);
  return number >= 1 && number <= 65_535 ? { host, port: number } : undefined;
}

function parseUser(text: string): Pick<Access, "username" | "password"> | undefined {
  const cut = text.indexOf(":");
  const [username, password] = cut < 0 ? [text, ""] : [text.slice(0, cut), text.slice(cut + 1)];
  try {
    return { username: decoded(username), password: decoded(password) };
  } catch {
    return undefined;
  }
}

/** @throws URIError */
function decoded(text: string): string | undefined {
  return text === "" ? undefined : decodeURIComponent(text);
}

/** An address as a URL has it. */
export function hostAndPort({ host, port }: RedisAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${String(port)}`;
}
