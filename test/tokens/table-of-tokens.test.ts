import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { eventually } from "../helpers/eventually.js";
import { authorization, byHttp, DOORS } from "../gate/helpers/doors.js";
import {
  ISSUERS,
  nowS,
  sign,
  strangersKey,
  unsigned,
  type AnyClaims,
  type Issuer,
} from "../gate/helpers/issuers.js";
import { startWatched, STORES } from "../gate/helpers/traces.js";

const PUBLISH_KEY = "the-key-of-a-service";
const STATUS: Readonly<Record<string, number>> = {
  unauthorized: 401,
  token_expired: 401,
  forbidden: 403,
};

const HTTP_DOOR = "history over HTTP";
const SOCKET_DOORS = Object.keys(DOORS).filter((name) => name !== HTTP_DOOR);

/** A token that somebody comes with to the door of the session's teacher, what it is answered, and why. */
type Row = readonly [
  what: string,
  token: string | undefined,
  code: string,
  text: RegExp,
  /** Over HTTP, where it differs: who publishes may read. */
  overHttp?: string,
];

async function rows({ signing, forged }: Issuer, session: string): Promise<Row[]> {
  const good = { session_id: session, role: "teacher" };
  const make = (claims: AnyClaims) => sign(signing, { ...good, ...claims });
  const right = await make({});
  const [head = "", , signature = ""] = right.split(".");
  const [, strangersPayload = ""] = (await make({ sub: "somebody else" })).split(".");
  const wrongForm = /signature is wrong|takes (HS256|RS256|ES256)|is no token|neither one of/;
  const forgeries = Object.entries(forged).map(async ([what, forge]): Promise<Row> => [
    what,
    await forge(good),
    "unauthorized",
    /another algorithm: this server takes|signature is wrong|no key of this server/,
  ]);
  return [
    ["none", undefined, "unauthorized", /a token is needed: send it/],
    [
      "run out",
      await make({ exp: nowS() - 600 }),
      "token_expired",
      /ran out 6\d\d s ago.*fresh one/,
    ],
    [
      "not valid yet",
      await make({ nbf: nowS() + 600 }),
      "unauthorized",
      /not valid yet, for another (5\d\d|600) s.*clocks/,
    ],
    ["without an end", await make({ exp: undefined }), "unauthorized", /\(exp\)/],
    [
      "with an end that is no time",
      await make({ exp: "never" }),
      "unauthorized",
      /exp must be a number/,
    ],
    ["of milliseconds", await make({ exp: Date.now() }), "unauthorized", /exp is in seconds/],
    ["of a user that is no text", await make({ sub: 7 }), "unauthorized", /is wrong: its sub/],
    ["of another key", await sign(strangersKey(signing), good), "unauthorized", wrongForm],
    ["with other claims", `${head}.${strangersPayload}.${signature}`, "unauthorized", wrongForm],
    ["unsigned (alg: none)", unsigned({ alg: "none" }, good), "unauthorized", wrongForm],
    ["unsigned (alg: nOnE)", unsigned({ alg: "nOnE" }, good), "unauthorized", wrongForm],
    [
      "without its signature",
      `${right.slice(0, right.lastIndexOf("."))}.`,
      "unauthorized",
      wrongForm,
    ],
    ["no token at all", "let-me-in", "unauthorized", wrongForm],
    ["the publish key", PUBLISH_KEY, "unauthorized", wrongForm, "in"],
    ["huge", await make({ ballast: "x".repeat(8_000) }), "unauthorized", /at most 8192/],
    [
      "for another session",
      await make({ session_id: randomUUID() }),
      "forbidden",
      /not (for )?this/,
    ],
    ["for a student", await make({ role: "student" }), "forbidden", /not for this/],
    ["for a publisher", await make({ role: "publisher" }), "forbidden", /not for this/, "in"],
    ["for another role", await make({ role: "admin" }), "unauthorized", /its role must be/],
    ["for no session", await make({ session_id: "a b" }), "unauthorized", /its session_id must be/],
    ["for a list of sessions", await make({ session_id: [session] }), "unauthorized", /session_id/],
    [
      "of a user without end",
      await make({ sub: "u".repeat(256) }),
      "unauthorized",
      /is wrong: its sub/,
    ],
    ...(await Promise.all(forgeries)),
  ];
}

for (const store of STORES) {
  for (const startIssuer of ISSUERS) {
    void t.test(`${startIssuer.name}, in ${store}`, async (t) => {
      const issuer = await startIssuer(t);
      const env = { ...issuer.env, PUBLISH_KEYS: PUBLISH_KEY };
      const app = await startWatched(t, store, env);
      const session = randomUUID();

      const visit = async (t: Test, token: string | undefined, names: readonly string[]) =>
        Promise.all(
          names.map(async (name) => {
            const answer = await DOORS[name]?.({ url: app.url, session, role: "teacher", token });
            if (!answer) throw new Error(`there is no door ${name}`);
            if (token !== undefined) t.notOk(answer.headers.includes(token), "it is not echoed");
            return { name, ...answer };
          }),
        );

      // Whose key nobody knows is early, until keys have been fetched once more.
      const isJudged = async (t: Test, token: string | undefined) => {
        const [answer] = await visit(t, token, [HTTP_DOOR]);
        return answer?.status !== 503;
      };

      for (const [what, token, code, text] of await rows(issuer, session)) {
        await t.test(`a token ${what} gets ${code}, and nothing is joined`, async (t) => {
          await eventually(() => isJudged(t, token));
          for (const answer of await visit(t, token, SOCKET_DOORS)) {
            t.equal(answer.code, code, answer.name);
            t.match(answer.text, text, answer.name);
            if (answer.status === undefined) continue;
            t.equal(answer.status, STATUS[code], answer.name);
            t.match(answer.headers, /"www-authenticate"/, answer.name);
          }
          // A client that was refused closes its connection, which takes a moment.
          await eventually(async () => (await app.tracesOf(session)).length === 0);
          const state = await fetch(`${app.url}/sessions/${session}`, {
            headers: authorization({ token: PUBLISH_KEY }),
          });
          t.strictSame(await state.json(), {
            session_id: session,
            teacher_online: false,
            connections: { teacher: 0, student: 0 },
          });
        });
      }

      await t.test("over HTTP the same tokens get the same answers", async (t) => {
        for (const [what, token, code, text, overHttp = code] of await rows(issuer, session)) {
          await eventually(() => isJudged(t, token));
          const [answer] = await visit(t, token, [HTTP_DOOR]);
          t.equal(answer?.code, overHttp, what);
          if (overHttp === "in") continue;
          t.match(answer, { text, status: STATUS[code] }, what);
        }
      });

      for (const [what, session_id] of [
        ["for the session", session],
        ["for any session (*)", "*"],
      ] as const) {
        await t.test(`a token ${what} opens every door of its role`, async (t) => {
          for (const role of ["teacher", "student"] as const) {
            const token = await sign(issuer.signing, { session_id, role, sub: "Ada" });
            for (const [name, door] of Object.entries(DOORS)) {
              const answer = await door({ url: app.url, session, role, token });
              t.equal(answer.code, "in", `${name}, as a ${role}`);
              if (name.endsWith("subprotocol")) t.equal(answer.text, "bearer", "what is chosen");
              t.notOk(answer.headers.includes(token), "it is not echoed");
            }
          }
          await eventually(async () =>
            (await app.tracesOf(session)).every((trace) => !trace.startsWith("socket ")),
          );
        });
      }

      await t.test("the state of a session asks for a token like the rest", async (t) => {
        const at = `${app.url}/sessions/${session}`;
        t.match(await byHttp(at), { status: 401, code: "unauthorized" });
        const token = await sign(issuer.signing, { session_id: session, role: "student" });
        t.match(await byHttp(at, { headers: authorization({ token }) }), { status: 200 });
      });
    });
  }
}
