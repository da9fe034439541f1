import type { Happenings } from "./classroom/report/happenings.js";
import { ReplicaReport, type ReplicaReportOptions } from "./classroom/report/replica-report.js";
import type { Board } from "./cluster/ports.js";
import type { HttpAccess } from "./edge/gate/http-access.js";
import type { OriginCheck } from "./edge/gate/origins.js";
import type { Http } from "./edge/http/fastify.js";
import { operatorRoutes } from "./edge/operator/routes.js";
import { Search } from "./edge/operator/search.js";
import type { TailSources } from "./edge/operator/tail.js";
import { Views } from "./edge/operator/views.js";

export interface OperatorParts extends ReplicaReportOptions, TailSources {
  readonly board: Board;
  readonly http: Http;
  readonly access: HttpAccess;
  readonly happenings: Happenings;
  /** Whether the page that a request comes from may look. */
  readonly mayLook: OriginCheck;
  /** Whether operators are served here: this replica tells of itself in any case, as others may serve them. */
  readonly hasOperator: boolean;
  /** Aborts when nobody is let in any more. */
  readonly leaving: AbortSignal;
}

/** What operators see of the cluster by way of this replica, and what others see of this one. */
export function openOperator(parts: OperatorParts): Views {
  const { board, http, access, mayLook, hasOperator, leaving } = parts;
  board.start(new ReplicaReport(parts));
  const views = new Views(board, parts, leaving);
  if (hasOperator) operatorRoutes(http, { access, mayLook, views, search: new Search(board) });
  return views;
}
