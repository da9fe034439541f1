// By what this page says who looks: a publish key or an operator's token, kept in this tab. It may come behind # in the
// page's address, which no server sees: #token=TOKEN.

const KEPT = "inthon-operator-key";

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(KEPT, given);
  history.replaceState(null, "", location.pathname + location.search);
}

export const setKey = (value) => sessionStorage.setItem(KEPT, value);

/** What the classroom's page was given in this tab does as well. */
const keyOf = () => sessionStorage.getItem(KEPT) ?? sessionStorage.getItem("inthon-publish-key");

/** Whether a key or a token is sent, and so what a refusal is of. */
export const hasKey = () => Boolean(keyOf());

/** Asks the server for what is beside this page's modules. @returns the response; a network that fails throws */
export function ask(path, options = {}) {
  const key = keyOf();
  return fetch(new URL(path, import.meta.url), {
    ...options,
    headers: key ? { authorization: `Bearer ${key}` } : {},
  });
}
