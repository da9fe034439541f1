import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { parseAddress, type Identity } from "../classroom/address.js";
import { urlDetail } from "../classroom/whom.js";
import { guard, type Drop } from "./guard.js";
import type { Refusals } from "../telemetry/refusals.js";
import type { ClientAddresses } from "./gate/client-addresses.js";
import { findFullRoom, type Doorkeeper } from "./gate/doorkeeper.js";
import { originNotAllowed, type OriginCheck } from "./gate/origins.js";
import type { SocketTokens } from "./gate/socket-tokens.js";
import type { Pace } from "./intake/pace.js";
import type { Turnstile } from "./gate/turnstile.js";
import { gatherWrites } from "./wire/gather-writes.js";
import { goingAway } from "./http/closing.js";
import { noteRefusal } from "./http/refused.js";
import { refuseInTurn } from "./http/last-words.js";
import { HttpProblem, NOTHING_HERE } from "./http/problems.js";
import { findMisuse, inOriginForm, isBehindOthers } from "./http/requests.js";
import { forEngineIo } from "./engine-io/engine-problem.js";
import { prepareQuery } from "./request-query.js";

/** Bytes behind an upgrade. Nobody has anything to say before it is answered (RFC 6455, section 4.1), but for an early ping. */
const MAX_EARLY_BYTES = 4_096;
const TOO_EARLY = "a client sent more than an early ping before its upgrade was answered";
const BEHIND_OTHERS = "an upgrade came before the requests ahead of it had been answered";

/** Takes over a connection that asked to become a WebSocket. */
export interface UpgradeHandler {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** Who is let in, as far as an upgrade's request tells. */
export interface UpgradeGate {
  readonly isOriginAllowed: OriginCheck;
  /** Where tokens are needed: those of plain WebSockets. Clients of Socket.IO show theirs when they join. */
  readonly tokens: Pick<SocketTokens, "checkRequest"> | undefined;
  /** Whether nobody else can be in a role room on this replica. */
  readonly isRoomFull: (identity: Identity) => boolean;
  readonly doorkeeper: Doorkeeper;
  readonly turnstile: Turnstile;
  /** At which those are answered who are not let in. */
  readonly refusing: Pace;
  readonly addresses: ClientAddresses;
  readonly refusals: Refusals;
  readonly drop: Drop;
  /** Aborts when nobody is let in any more. */
  readonly leaving: AbortSignal;
}

/**
 * Listens to the one `upgrade` event of the process, and hands each connection to the engine that speaks its protocol:
 * with `EIO` in its query it is a Socket.IO client, else a plain WebSocket.
 */
export function routeUpgrades(
  server: Server,
  engines: { engineIo: UpgradeHandler; plain: UpgradeHandler },
  gate: UpgradeGate,
): void {
  const come = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A connection that breaks before it is handed over has nobody else to listen.
    socket.on("error", destroy);
    if (socket.destroyed) return;
    request.url = inOriginForm(request.url ?? "/");
    const isEngineIo = prepareQuery(request)["EIO"] !== undefined;
    const protocol = isEngineIo ? "websocket" : "plain";
    const cut = (why: string) => {
      const { url } = request;
      const whence = { ...urlDetail(url), protocol, address: gate.addresses.of(request) } as const;
      gate.refusals.note("invalid_request", { ...whence, why });
      socket.destroy();
    };
    if (isBehindOthers(request)) {
      cut(BEHIND_OTHERS);
      return;
    }
    if (head.length > MAX_EARLY_BYTES) {
      cut(TOO_EARLY);
      return;
    }
    const takeAll = limitBytes(socket, MAX_EARLY_BYTES - head.length, () => {
      cut(TOO_EARLY);
    });
    const turnAway = (refusal: HttpProblem) => {
      // It has gone meanwhile, or been cut.
      if (socket.destroyed) return;
      const problem = isEngineIo ? forEngineIo(refusal) : refusal;
      takeAll();
      const address = gate.addresses.of(request);
      noteRefusal(gate.refusals, problem, { request, address, protocol });
      refuseInTurn(gate.refusing, socket, problem);
    };
    const letIn = () => {
      takeAll();
      // The answer to the handshake and the first packet go out together.
      gatherWrites(socket);
      const engine = isEngineIo ? engines.engineIo : engines.plain;
      engine.handleUpgrade(request, socket, head);
      if (socket.listenerCount("error") > 1) socket.off("error", destroy);
    };
    const takeItsTurn = () => {
      gate.turnstile.pass(socket, enter);
    };
    const enter = () => {
      if (socket.destroyed) return;
      const full = isNew(request, isEngineIo) && findFullRoom(request.url ?? "/", gate.isRoomFull);
      if (gate.leaving.aborted) turnAway(goingAway());
      else if (full) turnAway(full);
      else letIn();
    };
    const problem = findProblem(request, isEngineIo, gate);
    if (problem) {
      turnAway(problem);
      return;
    }
    if (isEngineIo || !gate.tokens) {
      takeItsTurn();
      return;
    }
    gate.tokens
      .checkRequest(request)
      .then(takeItsTurn)
      .catch((error: unknown) => {
        if (error instanceof HttpProblem) turnAway(error);
        else socket.destroy();
      });
  };
  server.on(
    "upgrade",
    guard(gate.drop, (_request, socket) => socket, come),
  );
}

/** Why nobody can connect by this request, if so: as far as can be said before a token is looked at, which costs more. */
function findProblem(
  request: IncomingMessage,
  isEngineIo: boolean,
  { isOriginAllowed, leaving, doorkeeper }: UpgradeGate,
): HttpProblem | undefined {
  if (leaving.aborted) return goingAway();
  const misuse = findMisuse(request);
  if (misuse) return misuse;
  const address = parseAddress(request.url ?? "/");
  if (!address || (address.kind === "default" && !isEngineIo)) {
    return new HttpProblem(404, "not_found", NOTHING_HERE);
  }
  if (!isOriginAllowed(request)) return originNotAllowed();
  // Where it is turned away later, its place ends with its socket.
  return isNew(request, isEngineIo) ? doorkeeper.enterBySocket(request) : undefined;
}

/** Whether it is no upgrade of a connection that there is. */
function isNew(request: IncomingMessage, isEngineIo: boolean): boolean {
  return !isEngineIo || prepareQuery(request)["sid"] === undefined;
}

/**
 * Of what a stream is about to read, so much is taken: where more comes, that is told instead.
 *
 * @returns what ends the limit
 */
function limitBytes(stream: Duplex, maxBytes: number, onTooMany: () => void): () => void {
  let left = maxBytes;
  const { push } = stream as { readonly push: (this: Duplex, chunk: Buffer | null) => boolean };
  stream.push = (chunk: Buffer | null) => {
    left -= chunk?.length ?? 0;
    if (left >= 0) return push.call(stream, chunk);
    onTooMany();
    return false;
  };
  return () => {
    stream.push = push;
  };
}

function destroy(this: Duplex): void {
  this.destroy();
}
