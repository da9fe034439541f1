/** Written to once for each delivery, so these are fields and nothing else: what one costs, a class of students costs. */
export class DeliveryTally {
  /** Events told to one connection each, by protocol. */
  websocket = 0;
  polling = 0;
  plain = 0;
  "event-stream" = 0;
  /** What they took, as far as this process knows: frames, or packets of long polling. */
  bytes = 0;
}
