import calculateSlot from "cluster-key-slot";

/** Parts that a cluster's keys and channels are in. */
export const SLOTS = 16_384;

/** The slot of a key or a channel: that of what stands in its first braces, where something does. */
export function slotOf(key: string): number {
  return calculateSlot(key);
}
