import { fileURLToPath } from "node:url";
import { Launched, minimalEnvironment } from "../helpers/processes/server-process.js";

/** What a worker can be asked: functions by name, each with one argument. */
export type Api<A> = { readonly [Name in keyof A]: (argument: never) => unknown };

interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Longer than anything that is asked takes. */
const CALL_TIMEOUT_MS = 120_000;

/** A TypeScript program of ours in a process of its own, asked over IPC. */
export class Worker<A extends Api<A>> {
  readonly #process: Launched;
  readonly #name: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #isGone = false;

  private constructor(name: string, process: Launched) {
    this.#name = name;
    this.#process = process;
  }

  /** @param launcher - words in front of the program, such as `["taskset", "-c", "0"]` */
  static async start<A extends Api<A>>(
    program: URL,
    launcher: readonly string[],
  ): Promise<Worker<A>> {
    const file = fileURLToPath(program);
    // As our server: what has just been busy would collect garbage as if it were idle, while events are timed.
    const args = ["--no-memory-reducer", "--import", import.meta.resolve("tsx"), file];
    const process = await Launched.start(globalThis.process.execPath, args, {
      env: minimalEnvironment(),
      launcher,
      onMessage: (message) => {
        worker.#onAnswer(message as Answer);
      },
    });
    const worker = new Worker<A>(file, process);
    void process.exited.then(() => {
      worker.#onExit();
    });
    return worker;
  }

  get pid(): number {
    return this.#process.pid;
  }

  async call<Name extends keyof A & string>(
    name: Name,
    argument: Parameters<A[Name]>[0],
  ): Promise<Awaited<ReturnType<A[Name]>>> {
    if (this.#isGone) throw new Error(`${this.#name} has ended`);
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    const timer = setTimeout(() => {
      const seconds = CALL_TIMEOUT_MS / 1_000;
      this.#onAnswer({ id, error: `${this.#name} did not answer "${name}" within ${seconds} s` });
    }, CALL_TIMEOUT_MS);
    const question: Question = { id, name, argument };
    this.#process.send(question);
    try {
      return (await answer) as Awaited<ReturnType<A[Name]>>;
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  #onAnswer({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  #onExit(): void {
    this.#isGone = true;
    for (const { reject } of this.#waiting.values()) {
      reject(new Error(`${this.#name} ended:\n${this.#process.output()}`));
    }
    this.#waiting.clear();
  }
}

/** The worker's side: answers what {@link Worker.call} asks, until the parent is gone. */
export function serve<A extends Api<A>>(functions: A): void {
  const byName = new Map<string, (argument: unknown) => unknown>(Object.entries(functions));
  process.on("message", ({ id, name, argument }: Question) => {
    void answer(byName.get(name), argument).then((outcome) => process.send?.({ id, ...outcome }));
  });
  process.once("disconnect", () => process.exit());
}

async function answer(
  named: ((argument: unknown) => unknown) | undefined,
  argument: unknown,
): Promise<Omit<Answer, "id">> {
  try {
    if (named === undefined) throw new Error("the worker knows no such function");
    return { result: await named(argument) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
