import type { Logger } from "../../telemetry/log.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { endsBecause } from "../connection-log.js";
import type { ClassroomSocket } from "../connection.js";
import { AdmissionError } from "../identify.js";
import { noteNotAdmitted, whomOf } from "../whom.js";
import { TokenError, type Claims } from "./claims.js";
import { Expiries } from "./expiries.js";

/** Tokens, as the edge knows them. */
export interface Tokens {
  /** What the token of a connection says. Rejects with `TokenError`. */
  claimsOf(socket: ClassroomSocket): Promise<Claims>;
  /** Ends a connection whose token has run out, so that its client comes back with a fresh one. */
  expire(socket: ClassroomSocket): void;
}

/** Has connections show their tokens, and ends them when these run out. */
export class TokenGate {
  readonly #tokens: Tokens;
  readonly #refusals: Pick<Refusals, "note">;
  readonly #log: Logger;
  readonly #expiries: Expiries<ClassroomSocket>;

  constructor(tokens: Tokens, refusals: Pick<Refusals, "note">, log: Logger) {
    this.#tokens = tokens;
    this.#refusals = refusals;
    this.#log = log;
    this.#expiries = new Expiries((socket) => {
      // It ends in the ordinary way: that is a reason, and no refusal.
      endsBecause(socket.conn, "token_expired");
      try {
        tokens.expire(socket);
      } catch (error) {
        // Those whose tokens run out with it are ended all the same.
        log.error({ err: error }, "a connection did not end with its token");
      }
    });
  }

  /** Rejects with what {@link TokenGate.refuse} takes. */
  claimsOf(socket: ClassroomSocket): Promise<Claims> {
    return this.#tokens.claimsOf(socket);
  }

  /** Ends a connection that is open at the time that its token says. */
  limit(socket: ClassroomSocket, endsAtS: number): void {
    this.#expiries.add(endsAtS, socket);
    socket.conn.on("close", () => {
      this.#expiries.remove(endsAtS, socket);
    });
  }

  /**
   * Counts a refusal, or closes the connection where it is not the client's fault: then it is to come back with the same
   * token, which a `connect_error` would keep it from.
   *
   * @returns what the client is told
   */
  refuse(socket: ClassroomSocket, error: unknown): AdmissionError | undefined {
    const refusal = toAdmissionError(error);
    if (!refusal) {
      // That the keys of tokens cannot be had is logged where it is noticed.
      if (error instanceof TokenError) {
        this.#refusals.note("token_unchecked", { ...whomOf(socket), why: error.message });
      } else {
        this.#log.error({ err: error }, "a token was not checked");
      }
      socket.conn.close();
      return undefined;
    }
    noteNotAdmitted(this.#refusals, socket, refusal);
    return refusal;
  }

  close(): void {
    this.#expiries.close();
  }
}

function toAdmissionError(error: unknown): AdmissionError | undefined {
  if (error instanceof AdmissionError) return error;
  if (!(error instanceof TokenError) || error.code === "unavailable") return undefined;
  return new AdmissionError(error.code, error.message, error.claims);
}
