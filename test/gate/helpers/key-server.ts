import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { JWK } from "jose";
import type { Test } from "tap";

/** A server of keys, which can go wrong. */
export interface KeyServer {
  readonly url: string;
  /** How often it was asked. */
  readonly asked: number;
  keys: readonly JWK[];
  /** `silent`: takes a request, and never answers it. */
  mood: "well" | "failing" | "endless" | "silent" | "moved";
}

/** Starts it on this machine. */
export async function serveKeys(t: Test, keys: readonly JWK[]): Promise<KeyServer> {
  let asked = 0;
  const http = createServer((_request, response) => {
    asked++;
    switch (served.mood) {
      case "well":
        response.end(JSON.stringify({ keys: served.keys }));
        break;
      case "failing":
        response.writeHead(500).end();
        break;
      case "moved":
        response.writeHead(302, { location: `${served.url}/elsewhere` }).end();
        break;
      case "endless": {
        response.write('{"keys":[');
        const more = () => {
          while (response.write('{"kty":"oct"},'.repeat(1_000)));
        };
        response.on("drain", more);
        more();
        break;
      }
      case "silent":
    }
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  const { port } = http.address() as AddressInfo;
  const served: KeyServer = {
    url: `http://127.0.0.1:${String(port)}/keys`,
    keys,
    mood: "well",
    get asked() {
      return asked;
    },
  };
  return served;
}
