/** Events are flat, in one array at most. */
export const MAX_DEPTH = 8;
/** More than a hundred events have. */
export const MAX_VALUES = 10_000;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
/** The largest of what JSON takes for white space (RFC 8259, section 2); what is below it and is none, is in no JSON. */
const SPACE = 0x20;

/**
 * The shape of a JSON text, as it comes in pieces: parsing what is nested deeply, or has very many values, takes a hundred
 * times as long as its length says, in one turn. Of a text that is no JSON nothing is said.
 */
export class JsonShape {
  #depth = 0;
  #values = 0;
  /** Of the element of the outermost array that is being read. */
  #index = 0;
  #isInString = false;
  #isEscaped = false;
  /** The first byte that is no white space. */
  #first: number | undefined;

  /** @returns the path of the event by which it is too complex, or `undefined` where none is so far */
  read(piece: Buffer): string | undefined {
    this.#first ??= piece.find((byte) => byte > SPACE);
    let [depth, values, isInString] = [this.#depth, this.#values, this.#isInString];
    // What the last byte of the piece before has escaped is nothing.
    let i = this.#isEscaped ? 1 : 0;
    for (; i < piece.length; i++) {
      const byte = piece[i];
      if (isInString) {
        if (byte === BACKSLASH) i++;
        else if (byte === QUOTE) isInString = false;
      } else if (byte === QUOTE) {
        isInString = true;
      } else if (byte === COMMA) {
        values++;
        if (depth === 1) this.#index++;
      } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        values++;
        depth++;
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
        depth--;
      }
      if (depth > MAX_DEPTH || values > MAX_VALUES) {
        return this.#first === OPEN_ARRAY ? `/${String(this.#index)}` : "";
      }
    }
    this.#isEscaped = i > piece.length;
    [this.#depth, this.#values, this.#isInString] = [depth, values, isInString];
    return undefined;
  }
}
