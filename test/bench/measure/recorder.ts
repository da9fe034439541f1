import { DisturbedError } from "../machine/disturbance.js";
import type { Seen } from "../load/api.js";
import { judge, type RowResult } from "./results.js";
import { ROWS, type RowId } from "../rows.js";
import type { Window } from "./window.js";

/** A load process that uses more of its core than this may slow down what it measures. */
const BUSY_LOAD_PERCENT = 80;

/** Collects what is measured for one row. */
export class Recorder {
  readonly id: RowId;
  readonly #series = new Map<string, number[]>();
  readonly #details = new Map<string, number[]>();
  readonly #others = new Set<string>();
  readonly #notes = new Set<string>();
  #lost = 0;
  #duplicated = 0;
  #reordered = 0;
  #busiestLoad = 0;
  #problem: string | undefined;

  constructor(id: RowId) {
    this.id = id;
  }

  /** Whether it is worth measuring on. */
  get isOpen(): boolean {
    return this.#problem === undefined;
  }

  /** One value of a variant in a round, in the row's unit. */
  add(variant: string, value: number): void {
    push(this.#series, variant, value);
  }

  /** A number for the JSON alone. */
  detail(name: string, value: number): void {
    push(this.#details, name, value);
  }

  note(text: string): void {
    this.#notes.add(text);
  }

  /** What clients saw: anything but every event once, in order, is a fault of the row. */
  saw({ lost, duplicated, reordered, broken, reason }: Seen): void {
    this.#lost += lost;
    this.#duplicated += duplicated;
    this.#reordered += reordered;
    if (broken > 0) this.#others.add(`connections broke: ${reason ?? "unknown"}`);
  }

  sawWindow({ seen, streamed, elapsedNs, loadNs }: Window): void {
    this.saw(seen);
    for (const failure of streamed.failures) this.#others.add(`not published: ${failure}`);
    this.#busiestLoad = Math.max(this.#busiestLoad, (loadNs / elapsedNs) * 100);
  }

  fault(text: string): void {
    this.#others.add(text);
  }

  /** The row cannot be measured. */
  fail(error: unknown): void {
    if (error instanceof DisturbedError) this.#problem ??= error.message;
    else this.#problem ??= `could not be measured: ${firstLine(error)}`;
  }

  result(): RowResult {
    const row = ROWS[this.id];
    const faults = {
      lost: this.#lost,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      others: [...this.#others],
    };
    const busy = this.#busiestLoad;
    const load =
      busy > BUSY_LOAD_PERCENT ? [`the load process used ${busy.toFixed(0)} % of its core`] : [];
    if (busy > 0) this.#details.set("load at most % of its core", [busy]);
    return {
      id: this.id,
      row,
      ...judge(row, this.#series, this.#problem),
      faults,
      notes: [...this.#notes, ...load],
      details: Object.fromEntries(this.#details),
    };
  }
}

function push(lists: Map<string, number[]>, name: string, value: number): void {
  const list = lists.get(name) ?? [];
  list.push(value);
  lists.set(name, list);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}
