import { createRemoteJWKSet, customFetch, errors } from "jose";
import { TokenError } from "../../../classroom/tokens/claims.js";
import { NotReady } from "../../../cluster/not-ready.js";
import { untilDone } from "../../../cluster/retry.js";
import type { Logger } from "../../../telemetry/log.js";
import { KeyFetches } from "./key-fetches.js";
import type { TrustedKeys } from "../token-verifier.js";
import { UnknownKeys } from "./unknown-keys.js";

/** What a fetch may take. */
const FETCH_TIMEOUT_MS = 5_000;
/** Keys of this age are not used any more: they have not been had for so long. */
const MAX_AGE_MS = 6 * 3_600_000;
/** A token that names an unknown key has keys fetched, but not more often than this. */
const COOLDOWN_MS = 5_000;

const UNAVAILABLE = "the keys to check tokens with cannot be had just now: try again";
const NOT_YET = "this server does not know the key that the token names (kid) yet: try again";

/**
 * The keys at a URL (JWKS). Fetched at once, when they are old, and when a token names one that is not among them: so keys can
 * be replaced at any time. Whatever tokens name, fetches are few, one at a time, and short.
 *
 * @param closing - aborts when they are not needed any more
 */
export function remoteKeys(
  url: URL,
  algorithms: readonly string[],
  log: Logger,
  closing: AbortSignal,
): TrustedKeys {
  const fetches = new KeyFetches(url, algorithms, log);
  const unknown = new UnknownKeys();
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    [customFetch]: (from, options) => fetches.fetch(from, options),
  });
  // Nobody waits for it, and each failure is told where it is noticed: a wrong URL is known before the first student comes.
  untilDone(
    () => keys.reload(),
    closing,
    () => undefined,
  ).catch(() => undefined);
  return {
    algorithms,
    check: () => {
      if (fetches.begunAt === undefined) throw new NotReady("keys_unavailable", undefined);
    },
    find: async (header, token) => {
      const askedAt = performance.now();
      // Whoever comes now need not wait for it; a failure has been told, and the keys serve until they are too old.
      if (fetches.isStale) keys.reload().catch(() => undefined);
      try {
        return await keys(header, token);
      } catch (error) {
        if (!isTokensFault(error)) throw new TokenError("unavailable", UNAVAILABLE, error);
        const isNew =
          error instanceof errors.JWKSNoMatchingKey &&
          unknown.mayBeNew(header.kid, askedAt, fetches.begunAt ?? -Infinity);
        throw isNew ? new TokenError("unavailable", NOT_YET, error) : error;
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
