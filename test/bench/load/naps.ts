const STILL = new Int32Array(new SharedArrayBuffer(4));

/**
 * Lets a process read only now and then. Where it reads at once, every packet of a server interrupts it, and the server's
 * core has to send the interrupt: on a virtual machine that is dear, and more so the less the server does, because a
 * slow one finds its clients asleep more often. Clients elsewhere interrupt nobody.
 */
export class Naps {
  #ms = 0;

  /** @param ms - how long each nap is; 0 ends them */
  take(ms: number): void {
    const isNapping = this.#ms > 0;
    this.#ms = ms;
    if (!isNapping && ms > 0) setImmediate(this.#nap);
  }

  readonly #nap = (): void => {
    if (this.#ms === 0) return;
    // Not by a timer: the event loop would wake for whatever comes.
    Atomics.wait(STILL, 0, 0, this.#ms);
    setImmediate(this.#nap);
  };
}
