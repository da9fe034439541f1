/** A map of Redis is an object, or, in the older protocol, a list of names and values. */
export function fieldsOf(reply: unknown): ReadonlyMap<unknown, unknown> {
  if (!Array.isArray(reply)) return new Map(Object.entries(reply ?? {}));
  const list = reply as readonly unknown[];
  return new Map(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1]] as const] : [])));
}
