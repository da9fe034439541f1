import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { parseSessionId } from "@inthon/emitter/protocol";
import { NO_OPERATION } from "../docs/operation.js";
import { answerHead } from "../event-stream/answer.js";
import type { HttpAccess } from "../gate/http-access.js";
import { refusePages, type OriginCheck } from "../gate/origins.js";
import type { Http } from "../http/fastify.js";
import { HttpProblem } from "../http/problems.js";
import { FIND_CONNECTIONS, WATCH_CLUSTER } from "./operations.js";
import type { Search } from "./search.js";
import type { Views } from "./views.js";

const PUBLIC = fileURLToPath(new URL("../../../public", import.meta.url));
/** What the page has in common with the one at `/`, which may not be served. */
const SHARED = ["style/base.css", "screens/dom.js", "favicon.svg"];

export interface OperatorOptions {
  readonly access: Pick<HttpAccess, "toOperate" | "endOf">;
  readonly mayLook: OriginCheck;
  readonly views: Pick<Views, "open">;
  readonly search: Pick<Search, "find">;
}

/**
 * What operators see: the page at `/operator`, which holds nothing by itself and is for anyone, and what it shows, which is
 * for who has a key or an operator's token.
 */
export function operatorRoutes(
  http: Http,
  { access, mayLook, views, search }: OperatorOptions,
): void {
  const onRequest = [access.toOperate, refusePages(mayLook)];
  http.get<{ Querystring: { session?: unknown } }>(
    "/operator/stream",
    { onRequest, config: { operation: WATCH_CLUSTER } },
    (request, reply) => {
      const named = request.query.session;
      const session = parseSessionId(named);
      if (named !== undefined && !session) {
        const detail = "a session id is 1 to 64 characters of A-Z a-z 0-9 _ -";
        throw new HttpProblem(404, "invalid_session_id", detail);
      }
      if (request.method === "HEAD") {
        answerHead(reply);
        return;
      }
      const endS = access.endOf(request);
      const lifeMs = endS === undefined ? Infinity : endS * 1_000 - Date.now();
      views.open(request, reply, { session, lifeMs });
    },
  );
  http.get<{ Querystring: { id?: unknown; user?: unknown } }>(
    "/operator/connections",
    { onRequest, config: { operation: FIND_CONNECTIONS } },
    ({ query }) => search.find(query),
  );
  void http.register((scope, _options, done) => {
    void scope.register(fastifyStatic, {
      root: join(PUBLIC, "operator"),
      prefix: "/operator/",
      wildcard: false,
      index: false,
      decorateReply: false,
    });
    // What the page is made of is found beside this address, also behind a path of a proxy: not behind another slash.
    scope.get("/operator", { config: { operation: NO_OPERATION } }, ({ url }, reply) => {
      const [path = "", query] = url.split("?");
      if (!path.endsWith("/")) return reply.sendFile("operator/index.html", PUBLIC);
      return reply.redirect(`../operator${query === undefined ? "" : `?${query}`}`);
    });
    for (const path of SHARED) {
      scope.get(
        `/operator/shared/${path}`,
        { config: { operation: NO_OPERATION } },
        (_request, reply) => reply.sendFile(path, PUBLIC),
      );
    }
    done();
  });
}
