import type { AuthConfig } from "./auth.js";
import type { Reader } from "./readers.js";

/** Where a replica joins as a client does, to hear what it publishes. */
export interface CanaryConfig {
  /** `ws:` or `wss:`, without a slash at its end. */
  readonly url: string;
  /** What it shows there, where it was given one. */
  readonly token: string | undefined;
}

const PROTOCOLS: Readonly<Record<string, string>> = {
  "http:": "ws:",
  "https:": "wss:",
  "ws:": "ws:",
  "wss:": "wss:",
};

export const CANARY_READERS = {
  CANARY_URL: (text) => {
    if (text === undefined) return undefined;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const protocol = url && PROTOCOLS[url.protocol];
    const isBare = url?.username === "" && url.password === "" && url.search + url.hash === "";
    if (!protocol || !isBare) {
      throw new Error("must be where clients connect: http:// or https://, a host, and no query");
    }
    return `${protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
  },
  // What it holds never appears in a message.
  CANARY_TOKEN: (text) => {
    if (text === undefined || /^[\x21-\x7e]{1,8192}$/.test(text)) return text;
    throw new Error("must be a token: 1 to 8192 visible ASCII characters");
  },
} satisfies Record<string, Reader<unknown>>;

/** @returns what the variables say together, or what is wrong with `CANARY_TOKEN` */
export function toCanary(
  url: string | undefined,
  token: string | undefined,
  { kind }: AuthConfig,
): CanaryConfig | undefined | { readonly problem: string } {
  if (url === undefined) return undefined;
  // With a secret it can sign one by itself, and where none is needed it needs none.
  if (token === undefined && (kind === "public-key" || kind === "jwks")) {
    return {
      problem:
        'must be set beside CANARY_URL: a token for the role student and any session ("*"), as this server cannot sign one',
    };
  }
  return { url, token };
}
