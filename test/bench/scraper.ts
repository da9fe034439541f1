import { setTimeout as delay } from "node:timers/promises";

/** Prometheus asks every 15 s or so; asked as often as this, a window of a few seconds has several of them. */
const INTERVAL_MS = 1_000;

/** Asks a server for its metrics, as Prometheus does, until it is stopped. What cannot be had fails when it stops. */
export class Scraper {
  readonly #stopped = new AbortController();
  readonly #scraping: Promise<void>;

  constructor(port: number) {
    this.#scraping = scrape(port, this.#stopped.signal);
    // Whoever stops it is told.
    this.#scraping.catch(() => undefined);
  }

  /** Rejects if a scrape has failed. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#scraping;
  }
}

async function scrape(port: number, stopped: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await delay(INTERVAL_MS, undefined, { signal: stopped });
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: stopped });
      const text = await answer.text();
      if (!answer.ok || !text.includes("inthon_connections")) {
        throw new Error(`a scrape was answered ${answer.status}`);
      }
    }
  } catch (error) {
    if (!stopped.aborted) throw error;
  }
}
