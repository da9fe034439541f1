// The stream of what is seen. Not an EventSource, which can set no header: a key does not belong into an address, which
// balancers write into their logs.

import { ask } from "./access.js";

const FIRST_MS = 500;
const LAST_MS = 10_000;

/**
 * Reads `path` until it is closed, and comes back where it ends.
 *
 * @param on - `event(name, data)`, `state(phase, why?)` with `connecting`, `live`, `lost`, `away`, and `refused()` where a
 *   key is asked for: then it does not come back by itself
 */
export function openStream(path, on) {
  const closing = new AbortController();
  void run();
  return { close: () => closing.abort() };

  async function run() {
    on.state("connecting");
    for (let failures = 0; !closing.signal.aborted; failures++) {
      try {
        const response = await ask(path, { signal: closing.signal });
        if (response.status === 401 || response.status === 403) {
          on.refused(await why(response));
          return;
        }
        if (response.ok) {
          failures = 0;
          on.state("live");
          await read(response.body, on.event);
          if (!closing.signal.aborted) on.state("lost");
        } else {
          on.state("away", await why(response));
        }
      } catch {
        if (!closing.signal.aborted) on.state("lost");
      }
      const ms = Math.min(LAST_MS, FIRST_MS * 2 ** failures);
      await new Promise((resolve) => setTimeout(resolve, ms / 2 + (Math.random() * ms) / 2));
    }
  }
}

/** What a problem says of itself. */
export async function why(response) {
  const body = await response.json().catch(() => ({}));
  return body.detail ?? `HTTP ${response.status}`;
}

async function read(body, onEvent) {
  let text = "";
  for await (const piece of pieces(body)) {
    const blocks = (text + piece).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.event && fields.data) onEvent(fields.event, JSON.parse(fields.data));
    }
  }
}

async function* pieces(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
