const FINAL_TEXT = 0x81;
/** Lengths up to here stand in the second byte of the header; these two values announce a longer field. */
const MAX_SHORT_LENGTH = 125;
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;

/**
 * Text frames as they go over the wire to a client, one behind the other (RFC 6455, section 5.2): made once, and written
 * to every connection that speaks this form.
 */
export function textFrames(texts: readonly string[]): Buffer {
  return Buffer.concat(texts.flatMap((text) => textFrame(Buffer.from(text))));
}

function textFrame(payload: Buffer): [Buffer, Buffer] {
  return [header(payload.length), payload];
}

function header(length: number): Buffer {
  if (length <= MAX_SHORT_LENGTH) return Buffer.from([FINAL_TEXT, length]);
  if (length < 2 ** 16) {
    const bytes = Buffer.from([FINAL_TEXT, LENGTH_IN_16_BITS, 0, 0]);
    bytes.writeUInt16BE(length, 2);
    return bytes;
  }
  const bytes = Buffer.alloc(10);
  bytes[0] = FINAL_TEXT;
  bytes[1] = LENGTH_IN_64_BITS;
  bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}
