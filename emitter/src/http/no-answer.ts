import { EmitterError } from "../errors.js";

const UNKNOWN_AUTHORITY =
  /^(DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_|CERT_UNTRUSTED|INVALID_CA)/;
const WRONG_DATES = /^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/;
/** Closed by the other side, as a server of TLS does that is asked in plain words. */
const CLOSED = /^(UND_ERR_SOCKET|ECONNRESET|EPIPE)$/;

/** Why a call got no answer, or not all of it, with what to do: it may pass by itself. */
export function noAnswer(
  cause: unknown,
  { origin, protocol }: URL,
  isBegun: boolean,
): EmitterError {
  const what = isBegun ? "broke off its answer" : "did not answer";
  return new EmitterError("unavailable", `${origin} ${what}${reasonOf(cause, protocol)}`, {
    cause,
  });
}

/** As the cause has it, by which `fetch` failed. */
function reasonOf(error: unknown, protocol: string): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error)) return "";
  const { code = "", message } = cause as NodeJS.ErrnoException;
  if (code === "ENOTFOUND") return `: no host is known by that name here (${code})`;
  if (code === "EAI_AGAIN") return `: no name is looked up for now (${code})`;
  if (code === "ECONNREFUSED") return `: nobody listens there (${code})`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `: its certificate is for other names, so call it by one of those (${code})`;
  }
  if (UNKNOWN_AUTHORITY.test(code)) {
    return `: its certificate is signed by nobody who is known here, so name the file of who signed it in NODE_EXTRA_CA_CERTS (${code})`;
  }
  if (WRONG_DATES.test(code)) {
    return `: its certificate has run out, or is not valid yet, so renew it, or set the clock (${code})`;
  }
  if (code.startsWith("ERR_SSL")) return ` by TLS (${code}): is it http:// there?`;
  if (code.startsWith("HPE_")) return ` by HTTP (${code}): is it https:// there?`;
  if (CLOSED.test(code)) {
    const hint = protocol === "http:" ? "; where that lasts, is it https:// there?" : "";
    return `, but closed the connection (${code})${hint}`;
  }
  return ` (${[code, message].filter((part) => part !== "").join(": ")})`;
}
