import { createSecretKey, generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";
import { exportJWK, SignJWT, type JWK } from "jose";
import type { Test } from "tap";
import { serveKeys, type KeyServer } from "./key-server.js";

/** What a token is made of besides its claims. */
export interface Signing {
  readonly alg: string;
  readonly key: KeyObject;
  readonly kid?: string | undefined;
}

const GOOD_FOR_S = 600;

/** Who makes tokens, and what tells the server to believe them. */
export interface Issuer {
  readonly name: string;
  readonly signing: Signing;
  /** The server's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Tokens that only somebody makes who means harm, and that this kind of key must not be taken in by. */
  readonly forged: Readonly<Record<string, (claims: AnyClaims) => Promise<string>>>;
}

/** Seconds since 1970. */
export function nowS(): number {
  return Math.floor(Date.now() / 1_000);
}

/** Claims as JSON has them; `undefined` leaves one out. */
export type AnyClaims = Readonly<Record<string, unknown>>;

/** A token with these claims, that is good for ten minutes unless they say something else. */
export async function sign({ alg, key, kid }: Signing, claims: AnyClaims): Promise<string> {
  return new SignJWT({ exp: nowS() + GOOD_FOR_S, ...claims })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .sign(key);
}

/** A token of three parts that nobody signed. */
export function unsigned(header: object, claims: AnyClaims, signature = ""): string {
  const parts = [header, { exp: nowS() + GOOD_FOR_S, ...claims }];
  const encoded = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  return [...encoded, signature].join(".");
}

/** Every kind of key that the server can be given. */
export const ISSUERS = [withSecret, withPublicKey, withKeyServer] as const;

export function withSecret(): Promise<Issuer> {
  const secret = randomBytes(32).toString("hex");
  const rsa = rsaPair();
  return Promise.resolve({
    name: "JWT_SECRET",
    signing: { alg: "HS256", key: secretKey(secret) },
    env: { JWT_SECRET: secret },
    forged: {
      "signed by a public key that it brings along": (claims) =>
        sign({ alg: "RS256", key: rsa.privateKey }, claims),
    },
  });
}

export function withPublicKey(): Promise<Issuer> {
  const { privateKey, publicKey } = rsaPair();
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const der = publicKey.export({ type: "spki", format: "der" });
  const confused = (key: KeyObject) => (claims: AnyClaims) => sign({ alg: "HS256", key }, claims);
  return Promise.resolve({
    name: "JWT_PUBLIC_KEY",
    signing: { alg: "RS256", key: privateKey },
    // As it stands in a file for `docker --env-file`, which knows no lines.
    env: { JWT_PUBLIC_KEY: pem.replaceAll("\n", "\\n") },
    forged: {
      "signed with the public key as a secret": confused(secretKey(pem)),
      "the same, without the last line's end": confused(secretKey(pem.trim())),
      "signed with the bytes of the public key": confused(createSecretKey(der)),
      "signed by a key that it brings along": async (claims) => {
        const own = rsaPair();
        return new SignJWT({ exp: nowS() + GOOD_FOR_S, ...claims })
          .setProtectedHeader({ alg: "RS256", jwk: await exportJWK(own.publicKey) })
          .sign(own.privateKey);
      },
    },
  });
}

export async function withKeyServer(t: Test): Promise<Issuer & { server: KeyServer }> {
  const { signing, jwk } = await namedKey("first");
  const server = await serveKeys(t, [jwk]);
  const secret = JSON.stringify(jwk);
  return {
    name: "JWKS_URL",
    server,
    signing,
    env: { JWKS_URL: server.url },
    forged: {
      "of an unknown key": async (claims) => sign((await namedKey("unknown")).signing, claims),
      "of another key under the name of a known one": async (claims) =>
        sign((await namedKey("first")).signing, claims),
      "signed with the public key as a secret": (claims) =>
        sign({ alg: "HS256", key: secretKey(secret), kid: "first" }, claims),
    },
  };
}

/** A key with a name, as a server of keys has it. */
export async function namedKey(kid: string): Promise<{ signing: Signing; jwk: JWK }> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" };
  return { signing: { alg: "ES256", key: privateKey, kid }, jwk };
}

/** Another key of the same kind, which nobody has told the server of. */
export function strangersKey({ alg, kid }: Signing): Signing {
  if (alg === "HS256") return { alg, kid, key: secretKey(randomBytes(32).toString("hex")) };
  const { privateKey } =
    alg === "RS256" ? rsaPair() : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { alg, kid, key: privateKey };
}

function rsaPair() {
  return generateKeyPairSync("rsa", { modulusLength: 2_048 });
}

function secretKey(text: string): KeyObject {
  return createSecretKey(Buffer.from(text));
}
