import type { Lease } from "../ports.js";

/** {@link Lease} of a single process, which lasts as long as the process. */
export class MemoryLease implements Lease {
  readonly node: string;

  constructor(nodeId: string) {
    this.node = nodeId;
  }

  start(): void {
    // Nobody else could declare it dead.
  }

  nameOnTheWay(): Promise<string> {
    // There is nobody to whom anybody could go.
    return Promise.resolve(this.node);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
