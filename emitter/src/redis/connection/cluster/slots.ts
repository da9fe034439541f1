/** Parts that a cluster's keys and channels are in. */
export const SLOTS = 16_384;

/** CRC-16/XMODEM, as Redis has it (`src/crc16.c`): what each value of a byte adds. */
const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80_00 ? (crc << 1) ^ 0x10_21 : crc << 1;
  return crc;
});

/**
 * The slot of a key or a channel: that of what stands in its first braces, where something does (`src/cluster.c`,
 * `keyHashSlot`).
 *
 * @NOTE Ours, as the package for it (`cluster-key-slot`) is archived and goes on to the next braces where the first are
 *   empty; the client of Redis has a copy of its own, which it does not export.
 */
export function slotOf(key: string): number {
  const begin = key.indexOf("{");
  const end = begin < 0 ? -1 : key.indexOf("}", begin + 1);
  const part = end > begin + 1 ? key.slice(begin + 1, end) : key;
  let crc = 0;
  for (const byte of Buffer.from(part)) {
    crc = ((crc << 8) ^ (CRC16[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xff_ff;
  }
  return crc % SLOTS;
}
