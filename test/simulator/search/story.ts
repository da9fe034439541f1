import type { Consequence, Fault } from "./fault.js";
import type { Happening, Plan } from "./happening.js";
import type { Outcome } from "./run-plan.js";

/** Lines of what happened that are shown: the last ones tell the most. */
const MAX_LINES = 120;

/** What somebody reads who has to find the fault. */
export function storyOf(plan: Plan, { violations, trace }: Outcome): string {
  const [first] = violations;
  const shown = trace.slice(-MAX_LINES);
  return [
    `Seed ${String(plan.seed)} breaks a promise: ${first?.rule ?? "none"}`,
    `  ${first?.what ?? ""}`,
    "",
    `${String(plan.replicas)} replicas, ${String(plan.publishers)} publishers, ${JSON.stringify(plan.settings)}, Redis: ${JSON.stringify(plan.redis)}`,
    ...plan.clients.map(
      ({ role, session, protocol }, i) =>
        `${role}-${String(i + 1)}: in session ${session}, by ${protocol}`,
    ),
    "",
    "What was to happen:",
    ...plan.happenings.map((one) => `  ${seconds(one.at)} ${told(one, plan)}`),
    "",
    trace.length > shown.length
      ? `What happened (the last ${String(shown.length)} lines):`
      : "What happened:",
    ...shown.map((line) => `  ${line}`),
  ].join("\n");
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(4).padStart(9);
}

function told(happening: Happening, plan: Plan): string {
  if (happening.kind === "fault") {
    return `FAULT ${faultTold(happening.fault)}`;
  }
  if (happening.kind === "emit") {
    const { publisher, id, name, session, key, timeoutMs } = happening;
    const how = `within ${String(timeoutMs)} ms${key === undefined ? "" : `, under ${key}`}${happening.on === undefined ? "" : `, at the next ${happening.on}`}`;
    return `publisher-${String(publisher + 1)} emits ${String(id)} (${name}) to ${session}, ${how}`;
  }
  const { kind, client } = happening;
  const how = {
    ...(happening.kind === "drop" && { isTold: happening.isTold }),
    ...(happening.kind === "come back from" && { offset: happening.offset }),
    ...(happening.kind === "hurry" && { ms: happening.ms }),
    ...(happening.kind === "return" && { on: happening.on, afterMs: happening.afterMs }),
  };
  const role = plan.clients[client]?.role ?? "client";
  return `${role}-${String(client + 1)}: ${kind}${detailsOf(how)}`;
}

function faultTold(fault: Fault | Consequence): string {
  if (fault.kind === "trap") {
    const { on, skip, isAfter, ms, then } = fault;
    return `at ${isAfter ? "the end of " : ""}${on}${detailsOf({ skip, ms })}: ${faultTold(then)}`;
  }
  const { kind, ...how } = fault;
  return `${kind}${detailsOf(how)}`;
}

function detailsOf(how: object): string {
  const details = Object.entries(how).map(([name, value]) => `${name} ${String(value)}`);
  return details.length > 0 ? ` (${details.join(", ")})` : "";
}
