// Publishing over HTTP, as any service would do it.

import { randomId } from "./ids.js";
import { tokenOf } from "./tokens.js";

const KEY = "inthon-publish-key";

export const publishKey = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
};

/** By what a request says who asks: a publish key reads and writes everything, a role's token reads its own. */
export function authorization(role) {
  const key = publishKey.get() ?? (role && tokenOf(role));
  return key ? { authorization: `Bearer ${key}` } : {};
}

/**
 * Publishes one event, or an array of them. Sent again with the same `key`, nothing is published a second time.
 *
 * @returns `{ kind: "stored", offsets, duplicate }`, or `{ kind: "refused", needsKey, status?, text, errors }`, where
 *   `text` is the server's, and missing where it did not answer
 */
export async function publish(session, event, { key = randomId(), keepalive = false } = {}) {
  let response;
  try {
    response = await fetch(`/sessions/${session}/events`, {
      method: "POST",
      keepalive,
      headers: {
        "content-type": "application/json",
        "idempotency-key": key,
        ...authorization(),
      },
      body: JSON.stringify(event),
    });
  } catch {
    return { kind: "refused", needsKey: false, errors: [] };
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok)
    return { kind: "stored", offsets: body.offsets ?? {}, duplicate: body.duplicate };
  return {
    kind: "refused",
    status: response.status,
    text: body.detail ?? body.title ?? "",
    errors: body.errors ?? [],
    needsKey: response.status === 401 || body.code === "forbidden",
  };
}
