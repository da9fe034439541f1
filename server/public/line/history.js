// Reading a room's history over HTTP: in pages, at most so many of them.

import { authorization } from "./publish.js";

const PAGE = 1_000;
const MAX_PAGES = 10;
const ATTEMPTS = 3;
const PAUSE_MS = 1_000;
const TIMEOUT_MS = 8_000;

/**
 * @returns `{ name, event, offset }` of each, oldest first; `undefined` where this page may not read it, or nobody answers
 */
export async function readHistory(session, role, after) {
  const events = [];
  let from = after;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await ask(session, { role, after: from, limit: PAGE }, role);
    if (!answer) return page === 0 ? undefined : events;
    for (const { offset, event } of answer.events)
      events.push({ name: event.event, event, offset });
    const last = answer.events.at(-1)?.offset;
    if (!last || last === answer.head) break;
    from = last;
  }
  return events;
}

/** @returns `{ teacher_online, connections }`, or `undefined` where this page may not know */
export async function readSession(session, role) {
  return get(`/sessions/${session}`, role).then((response) => response?.json());
}

async function ask(session, query, role) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const url = `/sessions/${session}/events?${new URLSearchParams(given)}`;
  for (let attempt = 1; ; attempt++) {
    const response = await get(url, role).catch(() => undefined);
    if (response?.ok) return response.json().catch(() => undefined);
    const passes = !response || response.status === 429 || response.status === 503;
    if (!passes || attempt === ATTEMPTS) return undefined;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt));
  }
}

async function get(url, role) {
  const headers = authorization(role);
  return fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
}
