import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";

/** What somebody may have put where a key or a secret belongs. */
export type KeyForm =
  | "public key"
  | "private key"
  | "certificate"
  | "PKCS#1 public key"
  | "other PEM"
  | "JWK"
  | "SSH key"
  | "URL"
  | "encoded PEM"
  | "encoded DER";

const PEM_LABELS: readonly (readonly [label: RegExp, form: KeyForm])[] = [
  [/^PUBLIC KEY$/, "public key"],
  [/^RSA PUBLIC KEY$/, "PKCS#1 public key"],
  [/PRIVATE KEY$/, "private key"],
  [/CERTIFICATE( REQUEST)?$/, "certificate"],
];

const OTHERS: readonly (readonly [beginning: RegExp, form: KeyForm])[] = [
  [/-----BEGIN/, "other PEM"],
  [/^[[{].*"(kty|keys)"/s, "JWK"],
  [/^(ssh|ecdsa-sha2|sk-ssh|sk-ecdsa-sha2)-/, "SSH key"],
  [/^https?:\/\//i, "URL"],
  // Base64 of "-----BEGIN", as a Secret that was encoded twice has it.
  [/^LS0tLS1CRUdJTi/, "encoded PEM"],
];

/** What a text is that is no secret, or `undefined` where it may be one. */
export function formOf(text: string): KeyForm | undefined {
  const label = /-----BEGIN ([A-Z0-9# ]+?)-----/.exec(text)?.[1];
  const pem = PEM_LABELS.find(([pattern]) => label !== undefined && pattern.test(label));
  const known = (pem ?? OTHERS.find(([pattern]) => pattern.test(text.trim())))?.[1];
  return known ?? (isDer(text) ? "encoded DER" : undefined);
}

/** Whether it is what a PEM has between its first and its last line. All begin as a sequence does. */
function isDer(text: string): boolean {
  if (!text.trim().startsWith("M")) return false;
  const key = Buffer.from(text, "base64");
  const readers = [
    () => createPublicKey({ key, format: "der", type: "spki" }),
    () => createPublicKey({ key, format: "der", type: "pkcs1" }),
    () => createPrivateKey({ key, format: "der", type: "pkcs8" }),
    () => new X509Certificate(key),
  ];
  return readers.some((read) => {
    try {
      read();
      return true;
    } catch {
      return false;
    }
  });
}

/** Where it belongs, as the end of a sentence that begins with the name of a variable that wants a secret. */
export function notASecret(form: KeyForm): string {
  if (form === "URL") {
    return "is a URL, which is no secret: the URL of a JWKS belongs in JWKS_URL";
  }
  if (form === "JWK") {
    return "is a JWK or a set of them, not a secret: have it served at the URL in JWKS_URL, or give a public key as PEM in JWT_PUBLIC_KEY";
  }
  return `is a key or a certificate (${form}), not a secret: a public key belongs in JWT_PUBLIC_KEY, as whoever has it could sign tokens with it here; a private key belongs to nobody but who signs`;
}
