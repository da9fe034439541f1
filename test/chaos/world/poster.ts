import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";

/** Posts JSON over connections that are kept, and that can be ended: `fetch` keeps them for longer than a run. */
export class Poster {
  readonly #agent = new Agent({ keepAlive: true });

  /** @throws where there is no whole answer in time, or it is not JSON */
  async post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: unknown,
    timeoutMs: number,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const signal = AbortSignal.timeout(Math.max(1, timeoutMs));
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        method: "POST",
        agent: this.#agent,
        headers: { "content-type": "application/json", ...headers },
        signal,
      });
      sent.once("error", reject);
      sent.once("response", (response) => {
        text(response)
          .then((answer) => {
            const parsed: unknown = JSON.parse(answer);
            resolve({ status: response.statusCode ?? 0, body: parsed });
          })
          .catch(reject);
      });
      sent.end(JSON.stringify(body));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
