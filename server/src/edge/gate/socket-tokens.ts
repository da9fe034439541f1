import type { IncomingMessage } from "node:http";
import { parseAddress } from "../../classroom/address.js";
import { WRONG_TOKEN } from "../../classroom/identify.js";
import { permits, TokenError, type Claims } from "../../classroom/tokens/claims.js";
import { carriedToken } from "./carried-token.js";
import { tokenProblem } from "./token-problem.js";
import type { TokenVerifier } from "./token-verifier.js";

const REQUEST_ADVICE =
  "send it as Authorization: Bearer <token>, as the subprotocols bearer, <token>, or as ?token=<token>";
const SOCKET_IO_ADVICE = "send it as auth.token: io(url, { auth: { token } })";

/** A socket of Socket.IO, as far as its token is concerned. */
interface Knocking {
  readonly request: IncomingMessage;
  readonly handshake: { readonly auth: Readonly<Record<string, unknown>> };
}

/** Tokens of connections: plain WebSockets and streams show theirs in the request, Socket.IO clients when they join. */
export class SocketTokens {
  readonly #verifier: TokenVerifier;
  /** Of those who show theirs in the request. */
  readonly #claims = new WeakMap<IncomingMessage, Claims>();

  constructor(verifier: TokenVerifier) {
    this.#verifier = verifier;
  }

  /** Resolves where somebody may come in by a request that shows a token. Rejects with an `HttpProblem` where not. */
  async checkRequest(request: IncomingMessage): Promise<void> {
    try {
      this.#claims.set(request, await this.#verify(request));
    } catch (error) {
      throw tokenProblem(error);
    }
  }

  /** What the token of a connection says, however it was sent. Rejects with `TokenError`. */
  async claimsOf({ request, handshake }: Knocking): Promise<Claims> {
    return (
      this.#claims.get(request) ?? this.#verifier.verify(handshake.auth["token"], SOCKET_IO_ADVICE)
    );
  }

  async #verify(request: IncomingMessage): Promise<Claims> {
    const claims = await this.#verifier.verify(carriedToken(request), REQUEST_ADVICE);
    const address = parseAddress(request.url ?? "");
    if (address?.kind === "session" && permits(claims, address.identity)) return claims;
    throw new TokenError("forbidden", WRONG_TOKEN, undefined, claims);
  }
}
