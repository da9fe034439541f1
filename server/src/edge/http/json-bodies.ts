import { isUtf8 } from "node:buffer";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { codedBody, isCoded, overloaded, type Bodies } from "../intake/bodies.js";
import { JsonShape, MAX_DEPTH, MAX_VALUES } from "./json-shape.js";
import { HttpProblem } from "./problems.js";

/** The longest request body, in bytes: sixteen of the longest events. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** The character set that a type of media names, in quotation marks or without (RFC 9110, section 8.3.1). */
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]*)/i;

/** Has the routes of a scope read bodies of JSON; those of others read none. */
export function readJsonBodies(scope: FastifyInstance, bodies: Bodies): void {
  const parse = scope.getDefaultJsonParser("error", "error");
  // A parser is not told whom it reads for.
  const responses = new WeakMap<IncomingMessage, ServerResponse>();
  scope.addHook("preParsing", ({ raw }, reply, _payload, done) => {
    responses.set(raw, reply.raw);
    done();
  });
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(
    "application/json",
    (request: FastifyRequest, payload: IncomingMessage, done) => {
      const response = responses.get(request.raw);
      const follow = (onGiveUp: () => void) => {
        if (response) bodies.follow(request.raw, response, onGiveUp);
      };
      readBody(request, payload, follow, (read) => {
        if (read instanceof Error) done(read);
        // What is none would be stored with other characters in place of those that there are not.
        else if (!isUtf8(read)) done(notUtf8());
        else void parse(request, read.toString(), done);
      });
    },
  );
}

/** @param onRead - called once, but not where its client goes before all of it has come */
function readBody(
  { headers }: FastifyRequest,
  payload: IncomingMessage,
  follow: (onGiveUp: () => void) => void,
  onRead: (read: Error | Buffer) => void,
): void {
  const unreadable =
    Number(headers["content-length"]) > MAX_BODY_BYTES ? tooLong() : findEncoding(headers);
  if (unreadable) {
    onRead(unreadable);
    return;
  }
  const pieces: Buffer[] = [];
  const shape = new JsonShape();
  let bytes = 0;
  let isOver = false;
  const finish = (read: Error | Buffer) => {
    if (isOver) return;
    isOver = true;
    onRead(read);
  };
  const stop = () => {
    payload.off("data", onData).off("end", onEnd);
    pieces.length = 0;
    payload.pause();
  };
  const onData = (piece: Buffer) => {
    bytes += piece.length;
    pieces.push(piece);
    const complex = shape.read(piece);
    if (bytes <= MAX_BODY_BYTES && complex === undefined) return;
    stop();
    finish(complex === undefined ? tooLong() : tooComplex(complex));
  };
  const onEnd = () => {
    finish(Buffer.concat(pieces, bytes));
    pieces.length = 0;
  };
  payload.on("data", onData).on("end", onEnd);
  follow(() => {
    stop();
    finish(overloaded());
  });
}

/** What its headers say of a body that cannot be read here. */
function findEncoding(headers: IncomingHttpHeaders): HttpProblem | undefined {
  const charset = CHARSET.exec(headers["content-type"] ?? "")?.[1]?.toLowerCase() ?? "utf-8";
  if (charset !== "utf-8" && charset !== "utf8") {
    return new HttpProblem(415, "unsupported_media_type", "JSON is sent as UTF-8: encode it so");
  }
  return isCoded(headers) ? codedBody() : undefined;
}

function notUtf8(): HttpProblem {
  const detail = "the body is not UTF-8: encode it so, nothing of it was taken";
  return new HttpProblem(400, "invalid_request", detail);
}

function tooLong(): HttpProblem {
  const detail = `the body is longer than ${String(MAX_BODY_BYTES)} bytes`;
  return new HttpProblem(413, "payload_too_large", detail);
}

function tooComplex(path: string): HttpProblem {
  const message = `must be flat: nothing is nested deeper than ${String(MAX_DEPTH)}, and a body has ${String(MAX_VALUES)} values at most`;
  const detail = ["the event", path, message].filter((part) => part !== "").join(" ");
  return new HttpProblem(400, "invalid_event", detail, { errors: [{ path, message }] });
}
