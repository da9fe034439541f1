import type { World } from "../world/world.js";

/** How long bytes take, in milliseconds. */
export interface Pace {
  usualMs: number;
}

/**
 * One direction of a connection: bytes come in their order, after a while. It can hang: then they wait, for the sender looks
 * as if they were under way; and end, with what is under way, or after a part of it.
 */
export class Pipe {
  readonly #world: World;
  readonly #pace: Pace;
  readonly #deliver: (bytes: string) => void;
  readonly #end: () => void;
  #underWay: { bytes: string; isEnd: boolean }[] = [];
  #lastAt = 0;
  #isHung = false;
  #isOver = false;

  constructor(world: World, pace: Pace, deliver: (bytes: string) => void, end: () => void) {
    this.#world = world;
    this.#pace = pace;
    this.#deliver = deliver;
    this.#end = end;
  }

  write(bytes: string): void {
    this.#send({ bytes, isEnd: false });
  }

  /** Tells the other side, after all that is under way. */
  close(): void {
    this.#send({ bytes: "", isEnd: true });
  }

  hang(): void {
    this.#isHung = true;
  }

  goOn(): void {
    if (!this.#isHung) return;
    this.#isHung = false;
    const waiting = this.#underWay.length;
    for (let i = 0; i < waiting; i++) this.#plan();
  }

  /** Ends at once: the first part of what is under way still comes, the rest is lost. */
  cut(part: number, isTold: boolean): void {
    const bytes = this.#underWay.map((sent) => sent.bytes).join("");
    this.#underWay = [{ bytes: bytes.slice(0, Math.floor(bytes.length * part)), isEnd: false }];
    if (isTold) this.#underWay.push({ bytes: "", isEnd: true });
    this.#isHung = false;
    this.#underWay.forEach(() => {
      this.#plan();
    });
    this.#isOver = true;
  }

  #send(sent: { bytes: string; isEnd: boolean }): void {
    if (this.#isOver) return;
    this.#underWay.push(sent);
    if (sent.isEnd) this.#isOver = true;
    if (!this.#isHung) this.#plan();
  }

  #plan(): void {
    const at = this.#world.now + this.#world.random.longTailed(this.#pace.usualMs);
    this.#lastAt = Math.max(this.#lastAt, at);
    this.#world.at(this.#lastAt, () => {
      if (this.#isHung) return;
      const next = this.#underWay.shift();
      if (!next) return;
      if (next.isEnd) this.#end();
      else if (next.bytes !== "") this.#deliver(next.bytes);
    });
  }
}
