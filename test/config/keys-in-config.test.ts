import { createPublicKey, randomBytes } from "node:crypto";
import { exportJWK } from "jose";
import t from "tap";
import { loadConfig } from "../../server/dist/config/config.js";
import { messageOf, pemOf } from "./refused-config.js";

const SECRET = "s3cret-that-no-log-may-hold";

void t.test("what is no secret is refused as one, and told where it belongs", async (t) => {
  const publicKey = pemOf("ed25519", {});
  const jwk = JSON.stringify(await exportJWK(createPublicKey(publicKey)));
  const [, der = ""] = publicKey.split("\n");
  const rsa = pemOf("rsa", { modulusLength: 2_048 });
  const cases: readonly (readonly [string, RegExp])[] = [
    [publicKey, /belongs in JWT_PUBLIC_KEY/],
    [publicKey.replaceAll("\n", "\\n"), /belongs in JWT_PUBLIC_KEY/],
    [publicKey.replaceAll("\n", " "), /belongs in JWT_PUBLIC_KEY/],
    [rsa, /belongs in JWT_PUBLIC_KEY/],
    [der, /belongs in JWT_PUBLIC_KEY/],
    [rsa.split("\n").slice(1, -2).join(""), /belongs in JWT_PUBLIC_KEY/],
    [Buffer.from(rsa).toString("base64"), /belongs in JWT_PUBLIC_KEY/],
    [pemOf("ed25519", {}, "private"), /private key/],
    [`ssh-ed25519 AAAA${"x".repeat(64)} ada@example`, /SSH key/],
    [jwk, /is a JWK.*JWKS_URL/],
    [`{"keys":[${jwk}]}`, /is a JWK.*JWKS_URL/],
    ["https://issuer.example/.well-known/jwks.json", /URL.*JWKS_URL/],
  ];
  for (const variable of ["JWT_SECRET", "PUBLISH_KEYS"]) {
    for (const [text, problem] of cases) {
      const message = messageOf(() => loadConfig({ [variable]: text }), variable);
      t.match(message, problem, text.slice(0, 40));
      t.notMatch(message, text.slice(30, 60), "it is not repeated");
    }
  }
  // What may be one is taken as it is, also base64 that begins like a key.
  for (const secret of [
    `MII${randomBytes(48).toString("base64")}`,
    randomBytes(64).toString("base64"),
  ]) {
    t.match(loadConfig({ JWT_SECRET: secret }), { auth: { kind: "secret" } });
  }
});

void t.test("a secret has no white space at its ends: its signer may not have it either", (t) => {
  const secret = randomBytes(32).toString("hex");
  for (const text of [`${secret}\n`, ` ${secret}`, `${secret}\r\n`]) {
    const message = messageOf(() => loadConfig({ JWT_SECRET: text }), "JWT_SECRET");
    t.match(message, /white space.*take that away/);
  }
  t.end();
});

void t.test("what is set and empty would open a door: it stops the start", (t) => {
  for (const name of [
    "JWT_SECRET",
    "JWT_PUBLIC_KEY",
    "JWKS_URL",
    "PUBLISH_KEYS",
    "ALLOWED_ORIGINS",
  ]) {
    const message = messageOf(() => loadConfig({ [name]: "" }), name);
    t.equal(message, `${name} is set, but empty: give it a value, or unset it`);
  }
  t.end();
});

void t.test("what is no public key as PEM is told how it becomes one", (t) => {
  const pem = pemOf("ed25519", {});
  const joined = /lines joined/;
  const cases: readonly (readonly [string, RegExp])[] = [
    [pem.replaceAll("\n", " "), joined],
    [pem.replaceAll("\n", ""), joined],
    [pemOf("ed25519", {}, "private"), /private key.*-pubout/],
    ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", /private key/],
    ["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", /x509 .*-pubkey -noout/],
    [
      "-----BEGIN RSA PUBLIC KEY-----\nMIIB\n-----END RSA PUBLIC KEY-----",
      /PKCS#1.*-RSAPublicKey_in/,
    ],
    ["/run/secrets/jwt.pem", /is a path/],
    ["keys/jwt.pem", /is a path/],
    ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@example", /ssh-keygen -e -m PKCS8/],
    ['{"kty":"OKP","crv":"Ed25519","x":"11qY"}', /is a JWK/],
    ["https://issuer.example/keys", /JWKS_URL/],
    [pem.split("\n")[1] ?? "", /lacks its first and last line/],
    [Buffer.from(pem).toString("base64"), /base64 -d/],
    [pem.slice(0, -30), /not whole/],
    ["a-secret-that-is-no-key", /must be a public key as PEM/],
  ];
  for (const [text, problem] of cases) {
    t.match(
      messageOf(() => loadConfig({ JWT_PUBLIC_KEY: text }), "JWT_PUBLIC_KEY"),
      problem,
      text,
    );
  }
  for (const good of [
    pem,
    pem.replaceAll("\n", "\\n"),
    pem.replaceAll("\n", "\r\n"),
    ` ${pem.trim()}`,
  ]) {
    t.match(loadConfig({ JWT_PUBLIC_KEY: good }), { auth: { kind: "public-key" } });
  }
  t.end();
});

void t.test("a wrong origin is named, with what is wrong about it", (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["https://a.example/", /"https:\/\/a\.example\/" has a slash at its end/],
    ["https://a.example/path", /must end behind its host and port/],
    ["https://a.example?x", /must end behind its host and port/],
    ["a.example", /"a\.example" lacks its scheme/],
    ["localhost:5173", /lacks its scheme/],
    ["*.a.example", /lacks its scheme/],
    ["*", /unset to let in all/],
    ["null", /any page can send/],
    ["https://b.example https://a.example", /blank: origins are separated by commas/],
    ["https://*", /star elsewhere/],
    ["https://a.*.example", /star elsewhere/],
    ["https://a*.example", /star elsewhere/],
    ["file://", /send null/],
    ["file:///index.html", /send null/],
    ["wss://a.example", /where the page comes from/],
    ["capacitor://", /names no host/],
    ["HTTPS://A.example", /browsers write it: that is "https:\/\/a\.example"/],
    ["https://*.A.example", /that is "https:\/\/\*\.a\.example"/],
    ["https://a.example:443", /that is "https:\/\/a\.example"/],
    ["https://bücher.example", /that is "https:\/\/xn--bcher-kva\.example"/],
    ["https://a.example:99999", /is no origin/],
    [`https://user:${SECRET}@a.example`, /entry that no page can match: number 2 has a user/],
  ];
  for (const [entry, problem] of cases) {
    const list = `https://good.example,${entry}`;
    const message = messageOf(() => loadConfig({ ALLOWED_ORIGINS: list }), "ALLOWED_ORIGINS");
    t.match(message, problem, entry);
    t.notMatch(message, /good\.example|s3cret/);
  }
  t.end();
});
