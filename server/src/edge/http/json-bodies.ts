import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { overloaded, type Bodies } from "../intake/bodies.js";
import { HttpProblem } from "./problems.js";

/** The longest request body, in bytes: sixteen of the longest events. */
const MAX_BODY_BYTES = 1024 * 1024;
/** Events are flat, in one array at most. */
const MAX_DEPTH = 8;
/** More than a hundred events have. */
const MAX_VALUES = 10_000;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

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
        if (read instanceof Error) {
          done(read);
          return;
        }
        const complex = findComplex(read);
        if (complex === undefined) void parse(request, read.toString(), done);
        else done(tooComplex(complex));
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
  if (Number(headers["content-length"]) > MAX_BODY_BYTES) {
    onRead(tooLong());
    return;
  }
  const pieces: Buffer[] = [];
  let bytes = 0;
  const stop = () => {
    payload.off("data", onData).off("end", onEnd);
    pieces.length = 0;
    payload.pause();
  };
  const onData = (piece: Buffer) => {
    bytes += piece.length;
    pieces.push(piece);
    if (bytes <= MAX_BODY_BYTES) return;
    stop();
    onRead(tooLong());
  };
  const onEnd = () => {
    onRead(Buffer.concat(pieces, bytes));
    pieces.length = 0;
  };
  payload.on("data", onData).on("end", onEnd);
  follow(() => {
    stop();
    onRead(overloaded());
  });
}

/**
 * Parsing what is nested deeply, or has very many values, takes a hundred times as long as its length says, in one turn.
 *
 * @param json - of a text that is no JSON nothing is said
 * @returns the path of the event that is like that, or `undefined` where none is
 */
export function findComplex(json: Buffer): string | undefined {
  let depth = 0;
  let values = 0;
  let index = 0;
  let isInString = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (isInString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) {
      isInString = true;
    } else if (byte === COMMA) {
      values++;
      if (depth === 1) index++;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      values++;
      depth++;
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      depth--;
    }
    if (depth > MAX_DEPTH || values > MAX_VALUES) {
      return json.toString("latin1", 0, i).trimStart().startsWith("[") ? `/${String(index)}` : "";
    }
  }
  return undefined;
}

function tooLong(): HttpProblem {
  const detail = `the body is longer than ${String(MAX_BODY_BYTES)} bytes`;
  return new HttpProblem(413, "payload_too_large", detail);
}

function tooComplex(path: string): HttpProblem {
  const message = `must be flat: nothing is nested deeper than ${String(MAX_DEPTH)}, and a body has ${String(MAX_VALUES)} values at most`;
  const detail = `the event ${path} ${message}`;
  return new HttpProblem(400, "invalid_event", detail, { errors: [{ path, message }] });
}
