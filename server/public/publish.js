// Publishing over HTTP, as any service would do it.

const KEY = "inthon-publish-key";

export const publishKey = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
};

/**
 * Publishes one event. Sent again with the same `idempotencyKey`, it is not published a second time.
 *
 * @returns `{ kind: "stored", offsets, duplicate }`, or `{ kind: "refused", needsKey, text, errors }`.
 */
export async function publish(session, event, idempotencyKey) {
  const key = publishKey.get();
  let response;
  try {
    response = await fetch(`/sessions/${session}/events`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "idempotency-key": idempotencyKey,
        ...(key ? { authorization: `Bearer ${key}` } : {}),
      },
      body: JSON.stringify(event),
    });
  } catch {
    return refusal("The server cannot be reached. Send again: it will not be published twice.");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok)
    return { kind: "stored", offsets: body.offsets ?? {}, duplicate: body.duplicate };
  const text = body.detail ?? body.title ?? "The server refused the event.";
  return {
    ...refusal(`${response.status}: ${text}`, body.errors),
    needsKey: response.status === 401 || body.code === "forbidden",
  };
}

function refusal(text, errors = []) {
  return { kind: "refused", needsKey: false, text, errors };
}
