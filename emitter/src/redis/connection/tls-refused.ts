import { hostAndPort, type RedisAddress } from "./redis-url.js";

/** What TLS fails by, for whoever says what is to be set. */
export type TlsFault =
  /** Redis's certificate is for other names than that by which it is called. */
  | "other_names"
  /** Redis's certificate is signed by nobody who is known here. */
  | "unknown_authority"
  /** Redis's certificate has run out, or is not valid yet. */
  | "wrong_dates"
  /** Redis wants a certificate, or another one than it was shown. */
  | "own_certificate";

const MAX_NAMES_LENGTH = 200;

const UNKNOWN_AUTHORITY =
  /^(DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_|CERT_UNTRUSTED|INVALID_CA)/;
const WRONG_DATES = /^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/;
/** An alert of TLS that came from there. */
const OWN_CERTIFICATE = /^ERR_SSL_.*ALERT.*(CERTIFICATE|UNKNOWN_CA)/;

/** Why there is no connection by TLS. It holds no certificate, as errors of Node.js do. */
export class TlsRefused extends Error {
  override readonly name = "TlsRefused";
  readonly fault: TlsFault;
  /** Of Node.js. */
  readonly code: string;

  constructor(fault: TlsFault, code: string, what: string) {
    super(`${what} (${code})`);
    this.fault = fault;
    this.code = code;
  }
}

/** An error of a connection, in words where it is one of TLS. */
export function explained(error: unknown, address: RedisAddress): unknown {
  if (!(error instanceof Error)) return error;
  const { code = "", cert } = error as NodeJS.ErrnoException & {
    readonly cert?: { readonly subjectaltname?: string };
  };
  const where = hostAndPort(address);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = (cert?.subjectaltname ?? "no name").slice(0, MAX_NAMES_LENGTH);
    const what = `the certificate of ${where} is refused: it is for ${names}, so call it by one of these, or have one made for ${address.host}`;
    return new TlsRefused("other_names", code, what);
  }
  if (UNKNOWN_AUTHORITY.test(code)) {
    const what = `the certificate of ${where} is refused: it is signed by nobody who is known here, so give the certificate of who signed it as the authority (ca)`;
    return new TlsRefused("unknown_authority", code, what);
  }
  if (WRONG_DATES.test(code)) {
    const what = `the certificate of ${where} is refused: it has run out, or is not valid yet, so renew it, or set the clock`;
    return new TlsRefused("wrong_dates", code, what);
  }
  if (OWN_CERTIFICATE.test(code)) {
    const what = `${where} refuses the certificate that it is shown, or is shown none: give one that is signed by whom it trusts (cert and key)`;
    return new TlsRefused("own_certificate", code, what);
  }
  return error;
}

/** The error, or what it was caused by, where that is of TLS. */
export function tlsRefusal(error: unknown): TlsRefused | undefined {
  if (error instanceof TlsRefused) return error;
  return error instanceof Error && error.cause instanceof TlsRefused ? error.cause : undefined;
}
