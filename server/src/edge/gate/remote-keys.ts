import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors } from "jose";
import { TokenError } from "../../classroom/tokens/claims.js";
import type { Logger } from "../../telemetry/log.js";
import type { TrustedKeys } from "./token-verifier.js";

/** What a fetch may take. */
const FETCH_TIMEOUT_MS = 5_000;
/** The largest answer: some hundred keys. */
const MAX_BYTES = 256 * 1024;
/** Keys of this age are fetched anew, while they are still used. */
const REFRESH_MS = 600_000;
/** Keys of this age are not used any more: they have not been had for so long. */
const MAX_AGE_MS = 6 * 3_600_000;
/** A token that names an unknown key has keys fetched, but not more often than this. */
const COOLDOWN_MS = 5_000;
/** After a failure nobody asks for so long. */
const FAILURE_COOLDOWN_MS = 1_000;

const STILL_KNOWN = "tokens are checked with those that are known";
const NONE_KNOWN = "no token can be checked, and nobody comes in, until they can";
const UNAVAILABLE = "the keys to check tokens with cannot be had just now: try again";

/**
 * The keys at a URL (JWKS). Fetched when they are first needed, when they are old, and when a token names one that is not
 * among them: so keys can be replaced at any time. Whatever tokens name, fetches are few, one at a time, and short.
 */
export function remoteKeys(url: URL, algorithms: readonly string[], log: Logger): TrustedKeys {
  const fetching = new BoundedFetch(log);
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    [customFetch]: (from, options) => fetching.fetch(from, options),
  });
  return {
    algorithms,
    find: async (header, token) => {
      // Whoever comes now need not wait for it; a failure has been told, and the keys serve until they are too old.
      if (fetching.isStale) keys.reload().catch(() => undefined);
      try {
        return await keys(header, token);
      } catch (error) {
        if (isTokensFault(error)) throw error;
        throw new TokenError("unavailable", UNAVAILABLE, error);
      }
    },
  };
}

function isTokensFault(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

/** Fetches sets of keys: little, and seldom where it fails. The first failure is logged, and the end of it. */
class BoundedFetch {
  readonly #log: Logger;
  #fetchedAt: number | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  get isStale(): boolean {
    const at = this.#fetchedAt;
    return at !== undefined && performance.now() - at > REFRESH_MS;
  }

  async fetch(url: string, options: RequestInit): Promise<Response> {
    const before = this.#failure;
    if (before && performance.now() - before.at < FAILURE_COOLDOWN_MS) throw before.error;
    try {
      const text = await fetchText(url, options);
      // What it is not able to read, it shall not take for an answer.
      createLocalJWKSet(JSON.parse(text) as Parameters<typeof createLocalJWKSet>[0]);
      this.#fetchedAt = performance.now();
      this.#failure = undefined;
      if (before) this.#log.info("the keys of JWKS_URL can be had again");
      return new Response(text);
    } catch (error) {
      this.#failure = { error, at: performance.now() };
      if (!before) {
        const isKnown = this.#fetchedAt !== undefined;
        this.#log.error(
          { err: error },
          `the keys of JWKS_URL cannot be had: ${isKnown ? STILL_KNOWN : NONE_KNOWN}`,
        );
      }
      throw error;
    }
  }
}

async function fetchText(url: string, options: RequestInit): Promise<string> {
  const response = await fetch(url, options);
  const { status, body } = response;
  if (status !== 200 || !body) {
    await body?.cancel();
    throw new Error(`HTTP status ${String(status)} instead of 200`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`more than ${String(MAX_BYTES)} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
