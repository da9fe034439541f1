// Offsets, `<epoch>-<n>`: where an event stands in a room's history.

/** Whether offset `a` comes after offset `b`; what has no offset comes after everything. */
export function isAfter(a, b) {
  if (!a || !b) return true;
  const [epochA, nA] = split(a);
  const [epochB, nB] = split(b);
  return epochA === epochB ? nA > nB : epochA > epochB;
}

function split(offset) {
  const at = offset.lastIndexOf("-");
  return [Number(offset.slice(0, at)), Number(offset.slice(at + 1))];
}
