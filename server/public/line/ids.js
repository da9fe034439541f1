/** A random UUID, also on plain http, where `crypto.randomUUID` does not exist. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** An id for a question that no other student's page makes up meanwhile. */
export const newQuestionId = () => crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
