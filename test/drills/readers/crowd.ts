import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";
import { Launched } from "../../helpers/processes/server-process.js";

/** What a group of students is told to do. */
export type GroupRequest =
  | { readonly kind: "start" | "report" }
  /** As many of them read nothing any more, or read again. */
  | { readonly kind: "sleep" | "wake"; readonly count: number }
  /** The event with this number is the last one. */
  | { readonly kind: "last"; readonly n: number };

/** What a group of students has seen. */
export interface GroupReport {
  /** Events that were left out, or came twice. */
  readonly faults: number;
  /** How often each one's connection ended. */
  readonly dropped: readonly number[];
  /** Students that have not been told all. */
  readonly behind: number;
  /** From the start to the last one's `connected`. */
  readonly connectedMs: number;
  /** The longest time in which one of them heard nothing. */
  readonly longestWaitMs: number;
  /** From the start until all of them had been told all. */
  readonly allMs: number;
}

const READY_MS = 60_000;
const PROGRAM = fileURLToPath(new URL("group.ts", import.meta.url));

export interface CrowdOptions {
  readonly url: string;
  readonly session: string;
  readonly clients: number;
  /** The first of them, by long polling. */
  readonly polling?: number;
  /** From which they resume, and the number of the last event. */
  readonly resume?: { readonly offset: string; readonly last: number };
}

interface Group {
  readonly process: Launched;
  readonly told: EventEmitter;
  readonly size: number;
}

/** Students of a session, in two processes of their own. */
export class Crowd {
  readonly #groups: readonly Group[];

  private constructor(groups: readonly Group[]) {
    this.#groups = groups;
  }

  /** Starts the processes; nobody connects yet. */
  static async open({ url, session, clients, polling = 0, resume }: CrowdOptions): Promise<Crowd> {
    const from = resume ? [resume.offset, String(resume.last)] : [];
    const sizes = [Math.ceil(clients / 2), Math.floor(clients / 2)];
    const groups = await Promise.all(
      sizes.map(async (size): Promise<Group> => {
        const told = new EventEmitter();
        const ready = until(told, "ready", READY_MS);
        const polls = Math.round((polling * size) / clients);
        const students = [url, session, String(size), String(polls), ...from];
        const program = ["--import=tsx", PROGRAM, ...students];
        const process_ = await Launched.start(process.execPath, program, {
          onMessage: (message) =>
            told.emit(typeof message === "string" ? message : "report", message),
        });
        await ready;
        return { process: process_, told, size };
      }),
    );
    return new Crowd(groups);
  }

  /** Resolves when all have been told `connected`. */
  async start(timeoutMs: number): Promise<void> {
    await this.#ask({ kind: "start" }, "connected", timeoutMs);
  }

  /** Resolves when all have been told everything up to the event with this number, or after a time. */
  async complete(n: number, timeoutMs: number): Promise<void> {
    // Who is behind is in the report.
    await this.#ask({ kind: "last", n }, "complete", timeoutMs).catch(() => undefined);
  }

  /** A share of them reads nothing any more, or reads again. */
  tell(kind: "sleep" | "wake", count: number): void {
    for (const { process, size } of this.#groups) {
      process.send({ kind, count: this.#shareOf(size, count) });
    }
  }

  /** @returns what each group has seen */
  async report(): Promise<readonly GroupReport[]> {
    return (await this.#ask({ kind: "report" }, "report", READY_MS)) as readonly GroupReport[];
  }

  /** How many of a group are among so many of all. */
  #shareOf(size: number, count: number): number {
    const all = this.#groups.reduce((sum, group) => sum + group.size, 0);
    return Math.round((count * size) / all);
  }

  async close(): Promise<void> {
    await Promise.all(this.#groups.map(({ process }) => process.stop()));
  }

  #ask(request: GroupRequest, answer: string, timeoutMs: number): Promise<unknown[]> {
    return Promise.all(
      this.#groups.map(({ process, told }) => {
        const answered = until(told, answer, timeoutMs);
        process.send(request);
        return answered;
      }),
    );
  }
}

async function until(told: EventEmitter, message: string, timeoutMs: number): Promise<unknown> {
  const [answer] = (await once(told, message, {
    signal: AbortSignal.timeout(timeoutMs),
  })) as unknown[];
  return answer;
}
