/** What a command answers: strings are bulk strings whose characters are bytes. */
export type Reply =
  string | number | boolean | null | Status | ErrorReply | Double | FlatMap | readonly Reply[];

/** `+OK`. */
export class Status {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What is answered after a while: until then the connection waits. */
export class Later {
  readonly ms: number;
  readonly reply: () => Reply;

  constructor(ms: number, reply: () => Reply) {
    this.ms = ms;
    this.reply = reply;
  }
}

/** `-ERR ...`. */
export class ErrorReply {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** A score: a double in RESP3, text for scripts. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  get text(): string {
    return scoreText(this.value);
  }
}

/** A map in RESP3, a list of names and values for scripts. */
export class FlatMap {
  readonly entries: readonly Reply[];

  constructor(entries: readonly Reply[]) {
    this.entries = entries;
  }
}

export const OK = new Status("OK");

/** As `%.17g` prints it. */
export function scoreText(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e17) return String(value);
  const text = value.toPrecision(17);
  if (!text.includes("e")) return text.replace(/\.?0+$/, "");
  return text.replace(/\.?0*e/, "e").replace(/e([+-])(\d)$/, "e$10$2");
}

/** In RESP3, as bytes. */
export function encode(reply: Reply): string {
  if (reply === null) return "_\r\n";
  if (typeof reply === "string") return `$${String(reply.length)}\r\n${reply}\r\n`;
  if (typeof reply === "number") return `:${String(reply)}\r\n`;
  if (typeof reply === "boolean") return reply ? "#t\r\n" : "#f\r\n";
  if (reply instanceof Status) return `+${reply.text}\r\n`;
  if (reply instanceof ErrorReply) return `-${reply.message.replaceAll(/[\r\n]/g, " ")}\r\n`;
  if (reply instanceof Double) return `,${reply.text}\r\n`;
  if (reply instanceof FlatMap) {
    return `%${String(reply.entries.length / 2)}\r\n${reply.entries.map(encode).join("")}`;
  }
  return `*${String(reply.length)}\r\n${reply.map(encode).join("")}`;
}

/** What is pushed without having been asked for. */
export function encodePush(parts: readonly Reply[]): string {
  return `>${String(parts.length)}\r\n${parts.map(encode).join("")}`;
}

/** Takes whole commands from what has come so far. */
export class CommandReader {
  #rest = "";

  read(bytes: string): string[][] {
    this.#rest += bytes;
    const commands: string[][] = [];
    let at = 0;
    for (;;) {
      const command = this.#commandAt(at);
      if (!command) break;
      commands.push(command.words);
      at = command.end;
    }
    this.#rest = this.#rest.slice(at);
    return commands;
  }

  #commandAt(begin: number): { words: string[]; end: number } | undefined {
    const text = this.#rest;
    if (text.length <= begin) return undefined;
    if (text[begin] !== "*") throw new Error("the client does not speak RESP");
    let end = text.indexOf("\r\n", begin);
    if (end < 0) return undefined;
    const count = Number(text.slice(begin + 1, end));
    const words: string[] = [];
    let at = end + 2;
    for (let i = 0; i < count; i++) {
      end = text.indexOf("\r\n", at);
      if (end < 0) return undefined;
      const length = Number(text.slice(at + 1, end));
      const begins = end + 2;
      if (text.length < begins + length + 2) return undefined;
      words.push(text.slice(begins, begins + length));
      at = begins + length + 2;
    }
    return { words, end: at };
  }
}
