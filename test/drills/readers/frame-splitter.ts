const MASK_AND_LENGTH = 1;
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;

/** Where a server's frame lies in a buffer (RFC 6455, section 5.2). */
export interface Frame {
  readonly opcode: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Finds a server's frames in what comes over a connection, and copies only those that come in parts: a program that
 * reads as a thousand students must cost less than the server that writes to them.
 */
export class FrameSplitter {
  #part = Buffer.alloc(0);

  /**
   * @param bytes - what came; they are the caller's again afterwards
   * @param onFrame - told of each whole frame, while its bytes are there
   */
  take(bytes: Buffer, onFrame: (buffer: Buffer, frame: Frame) => void): void {
    let from = 0;
    while (this.#part.length > 0 && from < bytes.length) {
      // As much as tells the length, then what is missing of the frame.
      const missing = (frameAt(this.#part, 0)?.end ?? this.#part.length + 1) - this.#part.length;
      const more = bytes.subarray(from, from + missing);
      from += more.length;
      this.#part = Buffer.concat([this.#part, more]);
      const frame = frameAt(this.#part, 0);
      if (frame?.end !== this.#part.length) continue;
      const whole = this.#part;
      this.#part = Buffer.alloc(0);
      onFrame(whole, frame);
    }
    if (this.#part.length > 0) return;
    let frame: Frame | undefined;
    while ((frame = frameAt(bytes, from)) !== undefined && frame.end <= bytes.length) {
      from = frame.end;
      onFrame(bytes, frame);
    }
    this.#part = Buffer.from(bytes.subarray(from));
  }
}

/** @returns the frame that begins there, whole or not; nothing where its length has not come yet */
function frameAt(bytes: Buffer, at: number): Frame | undefined {
  const left = bytes.length - at;
  if (left < 2) return undefined;
  const opcode = (bytes[at] ?? 0) & 0x0f;
  const length = bytes[at + MASK_AND_LENGTH] ?? 0;
  if (length < LENGTH_IN_16_BITS) return { opcode, start: at + 2, end: at + 2 + length };
  if (length === LENGTH_IN_16_BITS) {
    if (left < 4) return undefined;
    return { opcode, start: at + 4, end: at + 4 + bytes.readUInt16BE(at + 2) };
  }
  if (left < 10 || length !== LENGTH_IN_64_BITS) return undefined;
  return { opcode, start: at + 10, end: at + 10 + Number(bytes.readBigUInt64BE(at + 2)) };
}
