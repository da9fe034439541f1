import { createPublicKey, type KeyObject } from "node:crypto";
import { formOf, type KeyForm } from "./key-forms.js";

const WANTED = "must be a public key as PEM (SPKI), beginning with -----BEGIN PUBLIC KEY-----";

/** What somebody gave instead, and how to make of it what is wanted. */
const INSTEAD: Readonly<Record<Exclude<KeyForm, "public key">, string>> = {
  "private key":
    "is a private key, which this server must not have: give its public part (openssl pkey -in FILE -pubout)",
  certificate: "is a certificate: give the public key in it (openssl x509 -in FILE -pubkey -noout)",
  "PKCS#1 public key":
    "is a public key as PKCS#1: give it as SPKI (openssl rsa -RSAPublicKey_in -in FILE -pubout)",
  "SSH key": "is a key of SSH: give it as PEM (ssh-keygen -e -m PKCS8 -f FILE)",
  JWK: "is a JWK or a set of them: have it served at the URL in JWKS_URL, or give the key as PEM",
  URL: "is a URL: the URL of a JWKS belongs in JWKS_URL",
  "encoded PEM": "is a PEM that was encoded as base64 once more: give what base64 -d makes of it",
  "encoded DER": "lacks its first and last line: -----BEGIN PUBLIC KEY----- and -----END ...",
  "other PEM": WANTED,
};

const SPKI = /^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\s]+\n-----END PUBLIC KEY-----$/;

/**
 * @param text - PEM (SPKI); where a variable can hold but one line, lines are told apart by `\n`
 * @throws a sentence that begins after the variable's name and says what the text is instead
 */
export function readPublicKey(text: string): KeyObject {
  const pem = text.replaceAll("\\n", "\n").replaceAll(/\r\n?/g, "\n").trim();
  const form = formOf(pem);
  if (form === undefined) {
    const isPath = /^[^\s]+$/.test(pem) && /^[.~]?[/\\]|^[A-Za-z]:\\|\.\w{2,4}$/.test(pem);
    throw new Error(isPath ? "is a path: it must be what the file holds, not its name" : WANTED);
  }
  if (form !== "public key") throw new Error(INSTEAD[form]);
  if (!pem.includes("\n")) {
    throw new Error(
      String.raw`has its lines joined: keep them apart, or write \n where one ends (as in awk -v ORS='\\n' 1 FILE)`,
    );
  }
  try {
    if (SPKI.test(pem)) return createPublicKey(pem);
  } catch {
    // What OpenSSL says of it helps nobody.
  }
  throw new Error(`${WANTED}, and what is there is not whole, or not one: copy the file anew`);
}
