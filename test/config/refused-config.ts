import { generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto";
import { ConfigError } from "../../server/dist/config/config.js";

/** A public key as PEM, or a private one. */
export function pemOf(
  type: string,
  options: object,
  which: "public" | "private" = "public",
): string {
  const generate = generateKeyPairSync as (type: string, options: object) => KeyPairKeyObjectResult;
  const { publicKey, privateKey } = generate(type, options);
  return which === "public"
    ? publicKey.export({ type: "spki", format: "pem" }).toString()
    : privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** What a start says that this variable stops. */
export function messageOf(start: () => unknown, variable: string): string {
  try {
    start();
    return "it is taken for good";
  } catch (error) {
    if (error instanceof ConfigError && error.variable === variable) return error.message;
    throw error;
  }
}
