import { generateKeyPairSync, randomUUID, type KeyObject } from "node:crypto";
import { io } from "socket.io-client";
import t from "tap";
import { connect } from "@inthon/emitter";
import { startInProcess } from "../helpers/processes/app-in-process.js";
import { DOORS } from "../gate/helpers/doors.js";
import { happens } from "../gate/helpers/happens.js";
import { sign, unsigned, withSecret, type Signing } from "../gate/helpers/issuers.js";
import { startWatched, STORES } from "../gate/helpers/traces.js";

const PUBLISH_KEY = "the-key-of-a-service";

/** Who somebody says it is on the default path, besides its token, and what comes of it. */
const DEFAULT_PATH: readonly (readonly [says: object, token: object, outcome: string])[] = [
  [{}, { session_id: "s", role: "student" }, "s student"],
  [{ session_id: "s" }, { session_id: "s", role: "student" }, "s student"],
  [{ role: "student" }, { session_id: "s", role: "student" }, "s student"],
  [{ session_id: "s", role: "student" }, { session_id: "*", role: "student" }, "s student"],
  [{ session_id: "s" }, { session_id: "*", role: "teacher" }, "s teacher"],
  [{}, { session_id: "*", role: "student" }, "invalid_session_id"],
  [{ session_id: "*" }, { session_id: "*", role: "student" }, "invalid_session_id"],
  [{ session_id: "x" }, { session_id: "s", role: "student" }, "forbidden"],
  [{ role: "teacher" }, { session_id: "s", role: "student" }, "forbidden"],
  [{ role: "student" }, { session_id: "s", role: "teacher" }, "forbidden"],
  [{ role: "publisher" }, { session_id: "s", role: "publisher" }, "forbidden"],
  [{ role: "student" }, { session_id: "s", role: "publisher" }, "forbidden"],
];

void t.test(
  "on the default path the token decides, and names what the client leaves out",
  async (t) => {
    const { signing, env } = await withSecret();
    const { url } = await startInProcess(t, env);
    for (const by of ["auth", "query"] as const) {
      for (const [says, claims, outcome] of DEFAULT_PATH) {
        const token = await sign(signing, { ...claims });
        const options =
          by === "auth" ? { auth: { ...says, token } } : { auth: { token }, query: says };
        const socket = io(url, { ...options, forceNew: true, transports: ["websocket"] });
        const connected = happens(socket, "connected").then(([event]) => {
          const { session_id, role } = event as { session_id: string; role: string };
          return `${session_id} ${role}`;
        });
        const refused = happens(socket, "connect_error").then(
          ([error]) => (error as { data?: { code: string } }).data?.code,
        );
        const what = `${JSON.stringify(says)} by ${by}, with ${JSON.stringify(claims)}`;
        t.equal(await Promise.race([connected, refused]), outcome, what);
        socket.close();
      }
    }
  },
);

/** Kinds of public keys, what they are for, and what is signed by another algorithm. */
const KEYS: readonly (readonly [algs: string[], not: string, () => Pair])[] = [
  [["RS256", "RS512", "PS256", "PS384"], "ES256", () => generateKeyPairSync("rsa", RSA)],
  [["ES256"], "ES384", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
  [["ES384"], "ES256", () => generateKeyPairSync("ec", { namedCurve: "P-384" })],
  [["ES512"], "ES256", () => generateKeyPairSync("ec", { namedCurve: "P-521" })],
  [["EdDSA", "Ed25519"], "ES256", () => generateKeyPairSync("ed25519")],
];
const RSA = { modulusLength: 2_048 };
interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

for (const [algs, other, makeKey] of KEYS) {
  void t.test(`a public key for ${algs.join(", ")} is for nothing else`, async (t) => {
    const { publicKey, privateKey } = makeKey();
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const { url } = await startInProcess(t, { JWT_PUBLIC_KEY: pem });
    const claims = { session_id: "s", role: "student" };
    const knock = (token: string) =>
      DOORS["plain WebSocket, by header"]?.({ url, session: "s", role: "student", token });
    for (const alg of algs) {
      const signing: Signing = { alg, key: privateKey };
      t.match(await knock(await sign(signing, claims)), { code: "in" }, alg);
    }
    const forged = unsigned({ alg: other }, claims, "c2lnbmF0dXJl");
    t.match(await knock(forged), { status: 401, text: /another algorithm/ }, other);
  });
}

for (const store of STORES) {
  void t.test(`a made-up pid reads nothing without a token for it, in ${store}`, async (t) => {
    const { signing, env } = await withSecret();
    const app = await startWatched(t, store, { ...env, PUBLISH_KEYS: PUBLISH_KEY });
    const { url } = app;
    const emitter = await connect(url, { key: PUBLISH_KEY });
    t.teardown(() => emitter.close());
    const session = randomUUID();
    const note = (text: string) => ({ note: text, capture_url: null });
    const { offsets } = await emitter.emit(session, "important", note("the first"));
    await emitter.emit(session, "important", note("a secret of the class"));
    const elsewhere = await sign(signing, { session_id: "elsewhere", role: "student" });
    const teachers = await sign(signing, { session_id: session, role: "teacher" });
    const resuming = { pid: `${session}.student.made-up`, offset: offsets.student };
    for (const [token, path, outcome] of [
      [undefined, `/ws/session/${session}/student/`, "unauthorized"],
      [elsewhere, `/ws/session/${session}/student/`, "forbidden"],
      [teachers, `/ws/session/${session}/student/`, "forbidden"],
      [elsewhere, "/ws/session/elsewhere/student/", "connected"],
      [teachers, `/ws/session/${session}/teacher/`, "connected"],
      [teachers, "/socket.io/", "connected"],
    ] as const) {
      for (const transport of ["websocket", "polling"] as const) {
        const socket = io(url, {
          path,
          transports: [transport],
          forceNew: true,
          auth: { ...resuming, ...(token !== undefined && { token }) },
        });
        const heard: string[] = [];
        socket.onAny((name: string) => heard.push(name));
        const connected = happens(socket, "connected").then(async () => {
          // What would be sent on a resume is before its answer.
          await socket.emitWithAck("ping");
          return heard.filter((name) => name !== "pong").join();
        });
        const refused = happens(socket, "connect_error").then(
          ([error]) => (error as { data: { code: string } }).data.code,
        );
        t.equal(await Promise.race([connected, refused]), outcome, `${path} by ${transport}`);
        t.equal(socket.recovered, false);
        if (outcome !== "connected") t.strictSame(heard, [], "it was told nothing");
        socket.close();
      }
    }
  });
}
