// An EventSource: it hears, and cannot send. It resumes by `?offset=`, so that a cut is ours to time.

import { nameConnection } from "./cluster-door.js";
import { AUDIENCE } from "./contract.js";

const NAMES = ["connected", ...Object.keys(AUDIENCE)];
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 5_000;
/** It does not say why it was refused: so it tries only so often. */
const MAX_FAILURES = 10;

export function overEventSource({ path, token, report, receive }) {
  const url = new URL(path, location.href);
  if (token) url.searchParams.set("token", token);
  const replica = nameConnection(url);
  let source;
  let retry;
  let retryMs = RETRY_MS;
  let failures = 0;
  let offset = "";
  open();

  function open() {
    if (offset) url.searchParams.set("offset", offset);
    const asked = offset;
    source = new EventSource(url);
    for (const name of NAMES) {
      source.addEventListener(name, ({ data, lastEventId }) => {
        const event = JSON.parse(data);
        if (name === "connected") {
          failures = 0;
          retryMs = RETRY_MS;
          const resumed = asked === "" ? undefined : lastEventId === asked;
          report({ phase: "connected", transport: "eventsource", replica: replica(), resumed });
        }
        offset = lastEventId || offset;
        receive({ name, event, offset: lastEventId || undefined });
        if (name === "session_ended") leave("io server disconnect");
      });
    }
    source.addEventListener("error", () => comeBack("connection lost"));
  }

  function comeBack(reason) {
    source.close();
    if (++failures > MAX_FAILURES) return leave(reason);
    report({ phase: "reconnecting", reason });
    clearTimeout(retry);
    retry = setTimeout(open, retryMs);
    retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
  }

  function leave(reason) {
    clearTimeout(retry);
    source.close();
    report({ phase: "disconnected", reason });
  }

  return {
    close: () => leave("io client disconnect"),
    lose(ms) {
      retryMs = ms;
      comeBack("line cut");
    },
  };
}
