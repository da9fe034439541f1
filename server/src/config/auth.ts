import type { KeyObject } from "node:crypto";
import { formOf, notASecret } from "./keys/key-forms.js";
import { readPublicKey } from "./keys/public-key.js";
import type { Reader } from "./readers.js";

/** How it is known who may come in. */
export type AuthConfig =
  /** Anyone may. */
  | { readonly kind: "off" }
  /** Who holds a token signed with the secret. */
  | { readonly kind: "secret"; readonly secret: Uint8Array; readonly algorithms: readonly string[] }
  /** Who holds a token signed with the private part of the key. */
  | { readonly kind: "public-key"; readonly key: KeyObject; readonly algorithms: readonly string[] }
  /** The same, with the keys that this URL has. */
  | { readonly kind: "jwks"; readonly url: URL; readonly algorithms: readonly string[] };

/** A shorter secret is found by who has a token: by trying, without asking this server (RFC 7518, section 3.2). */
const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2_048;

const HMAC = ["HS256", "HS384", "HS512"];
const RSA_PSS = ["PS256", "PS384", "PS512"];
const RSA = ["RS256", "RS384", "RS512", ...RSA_PSS];
const ED25519 = ["EdDSA", "Ed25519"];
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};
const ASYMMETRIC = [...RSA, ...Object.values(CURVES), ...ED25519];

/** The variables that say who may come in. What they hold never appears in a message. */
export const AUTH_READERS = {
  AUTH: (text): "off" | undefined => {
    if (text === undefined || text === "off") return text;
    throw new Error("must be off, or unset");
  },
  NODE_ENV: (text) => text,
  JWT_SECRET: (text) => (text === undefined ? undefined : readSecret(text)),
  JWT_PUBLIC_KEY: (text) => {
    if (text === undefined) return undefined;
    const key = readPublicKey(text);
    return { key, algorithms: algorithmsOf(key) };
  },
  JWKS_URL: (text) => (text === undefined ? undefined : readJwksUrl(text)),
} satisfies Record<string, Reader<unknown>>;

/** What these variables say, each by itself. */
type AuthVariables = {
  readonly [Name in keyof typeof AUTH_READERS]: ReturnType<(typeof AUTH_READERS)[Name]>;
};

/** A variable that does not go with the others, and what to do. */
export interface Contradiction {
  readonly variable: keyof AuthVariables;
  readonly problem: string;
}

/** What the variables say together. */
export function toAuth(variables: AuthVariables): AuthConfig | Contradiction {
  const { AUTH, NODE_ENV, JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL } = variables;
  const [key, other] = (["JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL"] as const).filter(
    (name) => variables[name] !== undefined,
  );
  if (other !== undefined) {
    return { variable: other, problem: `is set beside ${key ?? ""}: unset one of them` };
  }
  if (key !== undefined && AUTH === "off") {
    return { variable: "AUTH", problem: `is off, but ${key} is set: unset one of them` };
  }
  if (JWT_SECRET) return { kind: "secret", secret: JWT_SECRET, algorithms: HMAC };
  if (JWT_PUBLIC_KEY) return { kind: "public-key", ...JWT_PUBLIC_KEY };
  if (JWKS_URL) return { kind: "jwks", url: JWKS_URL, algorithms: ASYMMETRIC };
  if (NODE_ENV !== "production" || AUTH === "off") return { kind: "off" };
  return {
    variable: "NODE_ENV",
    problem:
      "is production, where somebody must say who may come in: set JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL, or AUTH=off for anyone",
  };
}

/** What whoever signs has to have as well, byte for byte. */
function readSecret(text: string): Uint8Array {
  const form = formOf(text);
  if (form !== undefined) throw new Error(notASecret(form));
  if (text !== text.trim()) {
    throw new Error(
      "begins or ends with white space, such as the end of a file's last line: take that away, as those who sign tokens may not have it",
    );
  }
  const secret = new TextEncoder().encode(text);
  if (secret.length >= MIN_SECRET_BYTES) return secret;
  throw new Error(`must be at least ${MIN_SECRET_BYTES} bytes: make one by openssl rand -hex 32`);
}

function algorithmsOf({ asymmetricKeyType: type, asymmetricKeyDetails }: KeyObject): string[] {
  const { modulusLength = 0, namedCurve = "" } = asymmetricKeyDetails ?? {};
  if (type === "rsa" || type === "rsa-pss") {
    if (modulusLength >= MIN_RSA_BITS) return type === "rsa" ? RSA : RSA_PSS;
    throw new Error(`must have at least ${MIN_RSA_BITS} bits, being an RSA key`);
  }
  if (type === "ed25519") return ED25519;
  const algorithm = type === "ec" ? CURVES[namedCurve] : undefined;
  if (algorithm !== undefined) return [algorithm];
  throw new Error("must be an RSA key, an EC key on P-256, P-384 or P-521, or an Ed25519 key");
}

function readJwksUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe =
    url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
  if (url && isSafe && url.username === "" && url.password === "") return url;
  throw new Error(
    "must be an https:// URL without user and password (http:// only on this machine: localhost, 127.0.0.1 or [::1])",
  );
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}
