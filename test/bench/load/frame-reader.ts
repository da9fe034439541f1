/** RFC 6455, section 5.2. */
export const OPCODE = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;

const FINAL = 0x80;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** A length that no server of ours sends: reading it is a fault of the reader, or of the server. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;

/** Told of each whole frame. The payload lies in `data` from `start` to `end`, until the call returns. */
export type OnFrame = (opcode: number, data: Buffer, start: number, end: number) => void;

/**
 * Finds the frames in what a WebSocket server sends, joined and split as TCP likes. Keeps a copy of an unfinished
 * frame only, so that one buffer serves all connections.
 */
export class FrameReader {
  #unfinished: Buffer | undefined;

  /** @throws if the bytes are no final, unmasked frame of up to 1 MiB */
  read(chunk: Buffer, onFrame: OnFrame): void {
    const data = this.#unfinished === undefined ? chunk : Buffer.concat([this.#unfinished, chunk]);
    let at = 0;
    while (data.length - at >= 2) {
      const short = data.readUInt8(at + 1);
      const header = short === LENGTH_16 ? 4 : short === LENGTH_64 ? 10 : 2;
      if (short >= MASKED) throw new Error("the server sent a masked frame");
      if (data.length - at < header) break;
      const length = header === 2 ? short : readLength(data, at, header);
      if (length > MAX_PAYLOAD_BYTES) throw new Error(`the server sent a frame of ${length} bytes`);
      const start = at + header;
      const end = start + length;
      if (data.length < end) break;
      const first = data.readUInt8(at);
      if (first < FINAL) throw new Error("the server sent a part of a message");
      onFrame(first & 0x0f, data, start, end);
      at = end;
    }
    this.#unfinished = at === data.length ? undefined : Buffer.from(data.subarray(at));
  }
}

function readLength(data: Buffer, at: number, header: 4 | 10): number {
  if (header === 4) return data.readUInt16BE(at + 2);
  return data.readUInt32BE(at + 2) * 2 ** 32 + data.readUInt32BE(at + 6);
}

/** A client's frame of up to 125 bytes. Its mask is zero, which masks nothing and is allowed. */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const header = [FINAL | opcode, MASKED | payload.length, 0, 0, 0, 0];
  return Buffer.concat([Buffer.from(header), payload]);
}
