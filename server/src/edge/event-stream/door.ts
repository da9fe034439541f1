import type { FastifyReply, FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";
import type { Identity } from "../../classroom/address.js";
import { findFullRoom, type Doorkeeper } from "../gate/doorkeeper.js";
import type { SocketTokens } from "../gate/socket-tokens.js";
import type { Turnstile } from "../gate/turnstile.js";
import { goingAway } from "../http/closing.js";
import { HttpProblem } from "../http/problems.js";
import { setInQuery } from "../request-query.js";
import { answerBy, answerHead, type StreamAnswer } from "./answer.js";

/** The engine of event streams, as far as the way in needs it. */
export interface StreamHandler {
  handleRequest(request: IncomingMessage, answer: StreamAnswer): void;
}

/** Who is let in. */
export interface StreamGate {
  readonly isRoomFull: (identity: Identity) => boolean;
  /** Where tokens are needed. */
  readonly tokens: Pick<SocketTokens, "checkRequest"> | undefined;
  readonly doorkeeper: Doorkeeper;
  readonly turnstile: Turnstile;
  /** Aborts when nobody is let in any more. */
  readonly leaving: AbortSignal;
}

/** A request for a stream, at an address that there is. */
export type StreamDoor = (request: FastifyRequest, reply: FastifyReply) => void;

/** Lets in whoever asks for an event stream, in the order in which upgrades are let in. */
export function streamDoor(streams: StreamHandler, gate: StreamGate): StreamDoor {
  const whyNot = (url: string) =>
    gate.leaving.aborted ? goingAway() : findFullRoom(url, gate.isRoomFull);
  return ({ raw, method, url }, reply) => {
    const isHead = method === "HEAD";
    const problem = whyNot(url) ?? (isHead ? undefined : gate.doorkeeper.enterBySocket(raw));
    if (problem) throw problem;
    const answer = answerBy(reply);
    const enter = () => {
      if (reply.raw.destroyed) return;
      // While it waited, others may have taken the room, and this replica may have begun to go.
      const problem = whyNot(url);
      if (problem) {
        answer.refuse(problem);
        return;
      }
      resumeByHeader(raw);
      streams.handleRequest(raw, answer);
    };
    const letIn = () => {
      if (isHead) answerHead(reply);
      else gate.turnstile.pass(raw.socket, enter);
    };
    if (!gate.tokens) {
      letIn();
      return;
    }
    gate.tokens
      .checkRequest(raw)
      .then(letIn)
      .catch((error: unknown) => {
        if (error instanceof HttpProblem) answer.refuse(error);
        else raw.socket.destroy();
      });
  };
}

/** Whoever comes back has the URL that it came by first: what it says in its header is newer than that. */
function resumeByHeader(request: IncomingMessage): void {
  const lastEventId = request.headers["last-event-id"];
  if (typeof lastEventId === "string" && lastEventId !== "") {
    setInQuery(request, "offset", lastEventId);
  }
}
