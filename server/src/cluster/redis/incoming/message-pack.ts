import msgpack from "notepack.io";

/** Deeper than any packet of an event. */
const MAX_DEPTH = 32;

const owedAt = new Float64Array(MAX_DEPTH + 1);

/**
 * Decodes one MessagePack value.
 *
 * The decoder believes the lengths that it reads: five bytes make it reserve room for millions of values. So the lengths
 * are compared with the bytes that are there before anything is decoded.
 *
 * @throws where it is anything else than one whole value
 */
export function decodeMessagePack(message: Buffer): unknown {
  if (!isWhole(message)) throw new Error("not one whole value of MessagePack");
  return msgpack.decode(message);
}

/** Whether the bytes are one value, no deeper than packets are, of which no length says more than there is. */
function isWhole(message: Buffer): boolean {
  let at = 0;
  let depth = 0;
  /** Values that are still to come, over all depths: each has a byte at least. */
  let owed = 1;
  owedAt[0] = 1;
  while (owed > 0) {
    if (owed > message.length - at) return false;
    const before = at;
    const inside = valuesIn(message, at);
    at += headBytes(message, at);
    if (at <= before || at > message.length || inside < 0) return false;
    owed += inside - 1;
    owedAt[depth] = (owedAt[depth] ?? 0) - 1;
    if (inside > 0) {
      if (depth === MAX_DEPTH) return false;
      owedAt[++depth] = inside;
    }
    while (depth > 0 && owedAt[depth] === 0) depth--;
  }
  return at === message.length;
}

/** How many values an array or a map at this place holds; 0 for everything else, -1 where that is cut off. */
function valuesIn(message: Buffer, at: number): number {
  const type = message[at] ?? 0;
  if (type >= 0x80 && type < 0x90) return 2 * (type & 0x0f);
  if (type >= 0x90 && type < 0xa0) return type & 0x0f;
  switch (type) {
    case 0xdc:
      return lengthAt(message, at + 1, 2);
    case 0xdd:
      return lengthAt(message, at + 1, 4);
    case 0xde:
      return 2 * lengthAt(message, at + 1, 2);
    case 0xdf:
      return 2 * lengthAt(message, at + 1, 4);
    default:
      return 0;
  }
}

/** Bytes of the value at this place, without those of the values in it; 0 where it is none, or cut off. */
function headBytes(message: Buffer, at: number): number {
  const type = message[at] ?? 0xc1;
  if (type < 0xa0 || type >= 0xe0) return 1;
  if (type < 0xc0) return 1 + (type & 0x1f);
  switch (type) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return 1;
    case 0xc4:
    case 0xd9:
      return withLength(message, at, 1, 0);
    case 0xc5:
    case 0xda:
      return withLength(message, at, 2, 0);
    case 0xc6:
    case 0xdb:
      return withLength(message, at, 4, 0);
    case 0xc7:
      return withLength(message, at, 1, 1);
    case 0xc8:
      return withLength(message, at, 2, 1);
    case 0xc9:
      return withLength(message, at, 4, 1);
    case 0xcc:
    case 0xd0:
      return 2;
    case 0xcd:
    case 0xd1:
    case 0xdc:
    case 0xde:
    case 0xd4:
      return 3;
    case 0xd5:
      return 4;
    case 0xca:
    case 0xce:
    case 0xd2:
    case 0xdd:
    case 0xdf:
      return 5;
    case 0xd6:
      return 6;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 9;
    case 0xd7:
      return 10;
    case 0xd8:
      return 18;
    default:
      return 0;
  }
}

function withLength(message: Buffer, at: number, bytes: number, more: number): number {
  const length = lengthAt(message, at + 1, bytes);
  return length < 0 ? 0 : 1 + bytes + more + length;
}

function lengthAt(message: Buffer, at: number, bytes: number): number {
  return at + bytes > message.length ? -1 : message.readUIntBE(at, bytes);
}
