/** What emits events, in the way of Socket.IO's client, whose types `once` of Node.js does not take. */
interface Emitting {
  once(name: string, listener: (...args: unknown[]) => void): unknown;
}

/** The arguments of the next event of that name. */
export function happens(emitter: object, name: string): Promise<unknown[]> {
  return new Promise((resolve) => {
    (emitter as Emitting).once(name, (...args) => {
      resolve(args);
    });
  });
}
