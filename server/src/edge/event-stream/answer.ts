import type { FastifyReply } from "fastify";
import type { HttpProblem } from "../http/problems.js";
import { forgetRequest } from "../request-query.js";

/** How a client that asked for a stream is answered: by one of these, once. */
export interface StreamAnswer {
  /** Begins the stream: what is written to its socket from now on is the text of it, until that ends. */
  begin(): void;
  /** Says that the client is not to come back. */
  stayAway(): void;
  refuse(problem: HttpProblem): void;
}

/** Proxies neither keep it, nor change it, nor hold any of it back. */
const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-store, no-transform",
  "x-accel-buffering": "no",
};
/** Of what has been decided for every answer: what holds for a stream as well. */
const KEPT_HEADER = /^(access-control-|vary$)/;

export function answerBy(reply: FastifyReply): StreamAnswer {
  return {
    begin: () => {
      writeHead(reply);
      reply.raw.flushHeaders();
      forgetRequest(reply.raw.req);
    },
    stayAway: () => {
      void reply.code(204).header("connection", "close").send();
    },
    refuse: (problem) => {
      void reply.send(problem);
    },
  };
}

/** Answers HEAD as GET would have been, but for the stream. */
export function answerHead(reply: FastifyReply): void {
  writeHead(reply);
  reply.raw.end();
}

function writeHead(reply: FastifyReply): void {
  const { raw } = reply;
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined && KEPT_HEADER.test(name)) raw.setHeader(name, value);
  }
  reply.hijack();
  // Its text goes to the socket as it is, and it ends with the connection: nothing is counted in chunks.
  raw.useChunkedEncodingByDefault = false;
  raw.shouldKeepAlive = false;
  raw.writeHead(200, HEADERS);
}
