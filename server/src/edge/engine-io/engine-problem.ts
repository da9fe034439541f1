import { Server as EngineServer } from "engine.io";
import { HttpProblem } from "../http/problems.js";

const { FORBIDDEN, UNSUPPORTED_PROTOCOL_VERSION } = EngineServer.errors;
const MESSAGES: Readonly<Record<number, string>> = EngineServer.errorMessages;
/** Of Engine.IO, what a client says that it speaks. */
export const REVISION = "4";
const SPOKEN = "this is revision 4 of Engine.IO, which socket.io-client 3 and newer speak (EIO=4)";

/** A refusal in the form that Engine.IO has for it: a number and a text, which clients of it know, and problems are not. */
export class EngineProblem extends HttpProblem {
  readonly engineCode: number;

  constructor(engineCode: number, detail = MESSAGES[engineCode] ?? "Bad request") {
    if (engineCode === FORBIDDEN) super(403, "origin_not_allowed", detail);
    else super(400, "invalid_request", detail);
    this.engineCode = engineCode;
  }

  override get body(): string {
    return JSON.stringify({ code: this.engineCode, message: this.message });
  }

  override get contentType(): string {
    return "application/json";
  }
}

/** For a client that speaks another revision, as those of Socket.IO 2 do. */
export function unsupportedRevision(): EngineProblem {
  const message = MESSAGES[UNSUPPORTED_PROTOCOL_VERSION] ?? "";
  return new EngineProblem(UNSUPPORTED_PROTOCOL_VERSION, `${message}: ${SPOKEN}`);
}

/** What a client of Engine.IO is told instead: the same, in its own form where that has a word for it. */
export function forEngineIo(problem: HttpProblem): HttpProblem {
  return problem.problem.status === 403 ? new EngineProblem(FORBIDDEN, problem.message) : problem;
}
