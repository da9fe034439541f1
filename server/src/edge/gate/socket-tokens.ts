import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { parseAddress } from "../../classroom/address.js";
import { permits, TokenError, type Claims } from "../../classroom/tokens/claims.js";
import { WRONG_TOKEN } from "../../classroom/identify.js";
import type { Refusals } from "../../telemetry/refusals.js";
import { goingAway } from "../http/closing.js";
import { HttpProblem } from "../http/problems.js";
import { refuse, type UpgradeHandler } from "../upgrade.js";
import { gatherWrites } from "../wire/gather-writes.js";
import { carriedToken } from "./carried-token.js";
import { tokenProblem } from "./token-problem.js";
import type { TokenVerifier } from "./token-verifier.js";

const PLAIN_ADVICE =
  "send it as Authorization: Bearer <token>, as the subprotocols bearer, <token>, or as ?token=<token>";
const SOCKET_IO_ADVICE = "send it as auth.token: io(url, { auth: { token } })";

export interface SocketTokensOptions {
  /** Takes over those plain WebSockets that may come in. */
  readonly plain: UpgradeHandler;
  readonly verifier: TokenVerifier;
  readonly refusals: Pick<Refusals, "note">;
  /** Aborts when nobody is let in any more. */
  readonly closing: AbortSignal;
}

/** A socket of Socket.IO, as far as its token is concerned. */
interface Knocking {
  readonly request: IncomingMessage;
  readonly handshake: { readonly auth: Readonly<Record<string, unknown>> };
}

/** Tokens of connections: plain WebSockets show theirs in the handshake, Socket.IO clients when they join. */
export class SocketTokens implements UpgradeHandler {
  readonly #options: SocketTokensOptions;
  /** Of plain WebSockets. */
  readonly #claims = new WeakMap<IncomingMessage, Claims>();

  constructor(options: SocketTokensOptions) {
    this.#options = options;
  }

  /** Lets a plain WebSocket in, or answers it why not. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { plain, refusals, closing } = this.#options;
    this.#verify(request)
      .then((claims) => {
        if (closing.aborted) throw goingAway();
        this.#claims.set(request, claims);
        gatherWrites(socket);
        plain.handleUpgrade(request, socket, head);
      })
      .catch((error: unknown) => {
        const whom = { address: request.socket.remoteAddress };
        const problem = tokenProblem(error, refusals, whom);
        if (problem instanceof HttpProblem) refuse(socket, problem);
        else socket.destroy();
      });
  }

  /** What the token of a connection says, however it was sent. Rejects with `TokenError`. */
  async claimsOf({ request, handshake }: Knocking): Promise<Claims> {
    return (
      this.#claims.get(request) ??
      this.#options.verifier.verify(handshake.auth["token"], SOCKET_IO_ADVICE)
    );
  }

  async #verify(request: IncomingMessage): Promise<Claims> {
    const claims = await this.#options.verifier.verify(carriedToken(request), PLAIN_ADVICE);
    const address = parseAddress(request.url ?? "");
    if (address?.kind === "session" && permits(claims, address.identity)) return claims;
    throw new TokenError("forbidden", WRONG_TOKEN);
  }
}
