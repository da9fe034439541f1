import { createPublicKey, type JsonWebKey } from "node:crypto";
import { createLocalJWKSet, errors, type JSONWebKeySet } from "jose";
import { over, type Logger } from "../../../telemetry/log.js";

/** The largest answer: some hundred keys. */
const MAX_BYTES = 256 * 1024;
/** Keys of this age are fetched anew, while they are still used. */
const REFRESH_MS = 600_000;
/** After a failure nobody asks for so long. */
const FAILURE_COOLDOWN_MS = 1_000;

const STILL_KNOWN = "tokens are checked with those that are known";
const NONE_KNOWN = "no token can be checked, and nobody comes in, until they can";

/** Why keys cannot be had, where it is nothing that a stack would explain. */
class NoKeys extends Error {
  override readonly name = "NoKeys";
}

/**
 * Fetches sets of keys: little, and seldom where it fails. The first failure is logged, another cause after it, and its
 * end. The log names the origin of the URL and nothing else of it.
 */
export class KeyFetches {
  readonly #origin: string;
  readonly #algorithms: readonly string[];
  readonly #log: Logger;
  #begunAt: number | undefined;
  #fetchedAt: number | undefined;
  #failure: { readonly error: unknown; readonly reason: string; readonly at: number } | undefined;

  constructor({ origin }: URL, algorithms: readonly string[], log: Logger) {
    this.#origin = origin;
    this.#algorithms = algorithms;
    this.#log = log;
  }

  /** When the last fetch began that brought keys, by the monotonic clock; `undefined` where none has. */
  get begunAt(): number | undefined {
    return this.#begunAt;
  }

  get isStale(): boolean {
    const at = this.#fetchedAt;
    return at !== undefined && performance.now() - at > REFRESH_MS;
  }

  async fetch(url: string, options: RequestInit): Promise<Response> {
    const before = this.#failure;
    if (before && performance.now() - before.at < FAILURE_COOLDOWN_MS) throw before.error;
    const begunAt = performance.now();
    try {
      const text = await fetchText(url, options);
      this.#check(text);
      this.#begunAt = begunAt;
      this.#fetchedAt = performance.now();
      this.#failure = undefined;
      if (before)
        this.#log.info(over({ from: this.#origin }), "the keys of JWKS_URL can be had again");
      return new Response(text);
    } catch (error) {
      const reason = reasonOf(error);
      this.#failure = { error, reason: reason ?? String(error), at: performance.now() };
      if (before?.reason !== this.#failure.reason) this.#tell(error, reason);
      throw error;
    }
  }

  /** What it is not able to read, or to use, it shall not take for an answer. */
  #check(text: string): void {
    const set = JSON.parse(text) as JSONWebKeySet;
    createLocalJWKSet(set);
    const { length } = set.keys;
    if (length === 0) throw new NoKeys("the set holds no key");
    if (!set.keys.some((key) => canCheck(key, this.#algorithms))) {
      throw new NoKeys(`none of its ${String(length)} keys is a public one that signs tokens`);
    }
  }

  #tell(error: unknown, reason: string | undefined): void {
    const what = this.#fetchedAt === undefined ? NONE_KNOWN : STILL_KNOWN;
    const from = this.#origin;
    const why = reason === undefined ? "" : ` (${reason})`;
    // In the message, as lines are sampled by it, and another cause is news.
    this.#log.error(
      { from, ...(reason === undefined && { err: error }) },
      `the keys of JWKS_URL cannot be had${why}: ${what}`,
    );
  }
}

/** Whether a signature can be checked with it. `d` is the private part, which no set of keys may have. */
function canCheck(jwk: JSONWebKeySet["keys"][number], algorithms: readonly string[]): boolean {
  const { use, alg, key_ops } = jwk;
  if ("d" in jwk || (use ?? "sig") !== "sig") return false;
  if (alg !== undefined && !algorithms.includes(alg)) return false;
  if (key_ops && !key_ops.includes("verify")) return false;
  try {
    const { asymmetricKeyType: type } = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
    return type === "rsa" || type === "ec" || type === "ed25519";
  } catch {
    return false;
  }
}

/** What an operator needs of a failure that the network, or the server of keys, is to blame for. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof NoKeys) return error.message;
  if (error instanceof SyntaxError) return "the answer is no JSON";
  if (error instanceof errors.JWKSInvalid) return 'the answer is no set of keys ({"keys":[...]})';
  if (!(error instanceof Error)) return undefined;
  if (error.name === "TimeoutError" || error.name === "AbortError") return "no answer in time";
  // Why `fetch` failed is in its cause: a code of the system or of TLS, with the host and nothing else of the URL.
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return undefined;
  const { message, code } = error.cause as NodeJS.ErrnoException;
  return message === "" ? code : message;
}

async function fetchText(url: string, options: RequestInit): Promise<string> {
  const response = await fetch(url, options);
  const { status, body } = response;
  if (status !== 200 || !body) {
    await body?.cancel();
    throw new NoKeys(`HTTP status ${String(status)} instead of 200`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new NoKeys(`more than ${String(MAX_BYTES)} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
