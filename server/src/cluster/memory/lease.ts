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

  announceEnd(): Promise<void> {
    // There is nobody to whom anything could be handed over.
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
