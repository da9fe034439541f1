import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import type { RedisAddress } from "./redis-url.js";

/** What TLS takes, each as PEM: its text or its bytes. */
export interface RedisTls {
  /** Who signs the certificates of Redis. Default: those that Node.js trusts. */
  readonly ca?: string | Buffer;
  /** A certificate to show, where Redis asks for one, and what it was signed by. */
  readonly cert?: string | Buffer;
  /** Its private key. */
  readonly key?: string | Buffer;
}

/** Asked at each new connection, so that a certificate can be renewed. */
export type TlsSource = () => RedisTls | Promise<RedisTls>;

/**
 * Options of a connection by TLS.
 *
 * @throws where a certificate or a key is none, or they do not belong together
 */
export function tlsOptions({ ca, cert, key }: RedisTls, { host }: RedisAddress) {
  return {
    tls: true as const,
    secureContext: createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    }),
    // By default none is sent, and who serves several names would not know which one is meant.
    ...(isIP(host) === 0 && { servername: host }),
  };
}

/** What is wrong with it, as a sentence that begins after its name; `undefined` where nothing is. */
export function tlsProblem({ ca, cert, key }: RedisTls): string | undefined {
  if ((cert === undefined) !== (key === undefined)) {
    return "has a certificate without its key, or a key without its certificate: give both or none";
  }
  for (const pem of [ca, cert]) {
    // The first of them: what else is in a file of authorities is OpenSSL's business, which passes over what is none.
    if (pem !== undefined && !isCertificate(pem)) {
      return "has a certificate that is none, or not whole: PEM begins with -----BEGIN CERTIFICATE-----";
    }
  }
  try {
    createSecureContext({ ...(cert && { cert }), ...(key && { key }) });
  } catch {
    // What OpenSSL says of it helps nobody.
    return "has a key that is none, or another certificate's";
  }
  return undefined;
}

function isCertificate(pem: string | Buffer): boolean {
  try {
    return (
      pem.includes("-----BEGIN CERTIFICATE-----") && new X509Certificate(pem).serialNumber !== ""
    );
  } catch {
    return false;
  }
}
