// What a line that was lost has cost: held against the history, not against what the page believes.

/**
 * @param due - the history after the last event before the loss: `{ offset, event }`, oldest first
 * @param received - the offsets that have come since
 * @returns how many were missed, delivered and lost; of likes that wait together, the newest count stands for all
 */
export function judge(due, received) {
  const stands = new Set();
  let delivered = 0;
  let lost = 0;
  for (const { offset, event } of due.toReversed()) {
    const isLike = event.event === "question_like_update";
    const has = received.has(offset);
    if (has || (isLike && stands.has(event.question_id))) delivered++;
    else lost++;
    if (has && isLike) stands.add(event.question_id);
  }
  return { missed: due.length, delivered, lost };
}
