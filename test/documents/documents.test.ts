import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import net, { createServer, type AddressInfo } from "node:net";
import { compileErrors, validate } from "@readme/openapi-parser";
import { Ajv } from "ajv";
import { fastify } from "fastify";
import { chromium } from "playwright-core";
import t, { type Test } from "tap";
import { connect } from "@inthon/emitter";
import { EVENT_NAMES, ROLES } from "@inthon/emitter/protocol";
import { serveDocuments } from "../../server/dist/edge/docs/routes.js";
import { CLOSE_CODES } from "../../server/dist/edge/wire/close-codes.js";
import { PROBLEMS } from "../../server/dist/edge/http/problem-codes.js";
import type { Http } from "../../server/dist/edge/http/fastify.js";
import { join, type Client, type ClientKind } from "../helpers/clients/clients.js";
import { startInProcess } from "../helpers/processes/app-in-process.js";
import { post } from "../helpers/processes/environments.js";
import { startServer } from "../helpers/processes/server-process.js";
import { ensureTool } from "../helpers/tools/tools.js";
import { ROWS, SESSION_ENDED } from "../helpers/samples/contract.js";
import { fetchDocument, partCheck, partOf, type Document } from "./helpers/documents.js";

const SCHEMA = "@asyncapi/specs/schemas/3.0.0-without-$id.json";

const server = await startServer();
t.teardown(() => server.stop());
const { url } = server;
const openApi = await fetchDocument(url, "openapi");
const asyncApi = await fetchDocument(url, "asyncapi");

void t.test("the OpenAPI document passes its parser", async (t) => {
  const found = await validate(structuredClone(openApi) as never);
  t.ok(found.valid, found.valid ? "" : compileErrors(found));
  const broken = { ...openApi, paths: { "/x": { get: { responses: { 200: {} } } } } };
  t.notOk((await validate(broken as never)).valid, "which finds faults");
});

void t.test("the AsyncAPI document is one, and its references lead somewhere", (t) => {
  const schema = createRequire(import.meta.url)(SCHEMA) as object;
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const isOne = ajv.compile(schema);
  t.ok(isOne(asyncApi), ajv.errorsText(isOne.errors));
  t.notOk(isOne({ ...asyncApi, operations: { x: { action: "tell" } } }), "which finds faults");
  const lost: string[] = [];
  JSON.stringify(asyncApi, (name, value: unknown) => {
    if (name !== "$ref" || typeof value !== "string") return value;
    const path = value.replace(/^#\//, "").split("/");
    if (partOf(asyncApi, ...path) === undefined) lost.push(value);
    return value;
  });
  t.strictSame(lost, []);
  t.end();
});

void t.test("every end that a close frame can tell is in the AsyncAPI document", (t) => {
  const codes = asyncApi["x-close-codes"] as readonly {
    readonly code: number;
    readonly client: string;
    readonly reasons: readonly { readonly reason: string; readonly means: string }[];
  }[];
  const ends = codes.flatMap(({ code, reasons }) =>
    reasons.map(({ reason }) => [reason, code] as const),
  );
  t.same(Object.fromEntries(ends), CLOSE_CODES);
  t.ok(codes.every(({ client, reasons }) => client && reasons.every(({ means }) => means)));
  t.end();
});

void t.test("the page of events says all of it, in words that are no markup", async (t) => {
  const executablePath = await ensureTool("chromium");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  t.teardown(() => browser.close());
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on("pageerror", ({ message }) => faults.push(message));
  await page.goto(`${url}/docs/events`);
  await page.locator("#refusals td").first().waitFor();
  t.notMatch(await page.locator("main").innerText(), "`");
  const headers = await page.locator("th").allInnerTexts();
  t.ok(headers.length > 0 && headers.every((text) => text !== ""), "each column has its header");
  const ends = await page.locator("#endings tbody tr").allInnerTexts();
  t.equal(ends.length, Object.keys(CLOSE_CODES).length);
  t.ok(ends.some((text) => /^1012\s+unavailable\s/.test(text)));
  const resuming = await page.locator("#resuming").innerText();
  for (const way of ["?offset=", "Last-Event-ID", "auth:"]) t.match(resuming, way);
  const picture = page.locator("#question_capture");
  t.match(
    await picture.innerText(),
    /The picture that a question is about\.\s+Heard by: student\./,
  );
  const likes = await page.locator("#question_like_update").innerText();
  t.match(likes, "an integer from 0 to");
  t.notMatch(likes, /integer, 0 to/, "a type is said once");
  t.match(await page.locator("#question_like_update tr").last().innerText(), "<epoch>-<n>");
  t.strictSame(faults, []);
});

void t.test("behind a path of a proxy the pages find all that they need", async (t) => {
  const behind = `${await proxyBehind(t, "/live/", Number(new URL(url).port))}/live`;
  const executablePath = await ensureTool("chromium");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  t.teardown(() => browser.close());
  const page = await browser.newPage();
  const lost: string[] = [];
  page.on("response", (response) => {
    if (response.status() >= 400) lost.push(response.url());
  });
  await page.goto(`${behind}/docs/`);
  t.equal(page.url(), `${behind}/docs`, "there is one URL of it");
  const operation = page.locator("#operations-Operate-lives");
  await operation.locator(".opblock-summary-control").click();
  await operation.getByRole("button", { name: "Try it out" }).click();
  await operation.getByRole("button", { name: "Execute" }).click();
  await operation.locator(".live-responses-table").getByText('"ok"').first().waitFor();
  await page.getByRole("link", { name: "Events", exact: true }).click();
  for (const by of ["webSocket", "eventStream"]) {
    await page.locator('[name="by"]').selectOption(by);
    await page.getByRole("button", { name: "Connect" }).click();
    const connected = page.locator("#heard").getByText('"event":"connected"');
    await connected.nth(by === "webSocket" ? 0 : 1).waitFor();
  }
  t.equal((await page.goto(`${behind}/docs/events/?x=`))?.url(), `${behind}/docs/events`);
  await page.getByRole("link", { name: "HTTP", exact: true }).click();
  await page.locator("#operations-Operate-lives").waitFor();
  t.strictSame(lost, []);
});

/** A proxy on a path of its own, which it takes away from what it hands on. */
async function proxyBehind(t: Test, prefix: string, port: number): Promise<string> {
  const proxy = createServer((near) => {
    const far = net.connect(port, "127.0.0.1");
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    far.pipe(near);
    near.on("end", () => far.end());
    near.on("data", (chunk: Buffer) => {
      // A browser sends each request in a piece of its own.
      const text = chunk.toString("latin1").replace(new RegExp(`^([A-Z]+) ${prefix}`), "$1 /");
      far.write(text, "latin1");
    });
  }).listen(0, "127.0.0.1");
  t.teardown(() => proxy.close());
  await once(proxy, "listening");
  return `http://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`;
}

void t.test("every problem is in the OpenAPI document, with its statuses", (t) => {
  t.same(openApi["x-problems"], PROBLEMS);
  const codes = partOf(openApi, "components", "schemas", "Problem", "properties", "code", "enum");
  t.same(codes, Object.keys(PROBLEMS));
  t.end();
});

void t.test("the examples are real: they are what is taken, and what is answered", async (t) => {
  const check = partCheck(openApi, "2020-12");
  const told = partCheck(asyncApi, "draft-07");
  const operations = Object.entries(openApi["paths"] as Document).flatMap(([path, methods]) =>
    Object.keys(methods as Document).map((method) => ["paths", path, method]),
  );
  let count = 0;
  for (const operation of operations) {
    const responses = Object.entries(partOf(openApi, ...operation, "responses") as Document);
    const places = [
      [...operation, "requestBody"],
      ...responses.map(([status]) => [...operation, "responses", status]),
    ];
    for (const place of places) {
      const contents = (partOf(openApi, ...place, "content") ?? {}) as Document;
      for (const [type, content] of Object.entries(contents)) {
        const { examples = {} } = content as { examples?: Record<string, { value: unknown }> };
        for (const { value } of Object.values(examples)) {
          t.equal(check(value, ...place, "content", type, "schema"), undefined, place.join(" "));
          count++;
          if (!place.includes("requestBody")) continue;
          t.equal((await post(url, randomUUID(), value)).status, 202, JSON.stringify(value));
        }
      }
    }
  }
  const messages = partOf(asyncApi, "components", "messages") as Document;
  for (const [name, message] of Object.entries(messages)) {
    const { examples } = message as { examples: { payload: unknown }[] };
    const [example] = examples;
    t.equal(told(example?.payload, "components", "messages", name, "payload"), undefined, name);
    count++;
  }
  t.ok(count > 30, "there are some");
});

const DIALECTS: Readonly<Record<ClientKind, string>> = {
  websocket: "socketIo",
  polling: "socketIo",
  upgrade: "socketIo",
  plain: "webSocket",
  "event-stream": "eventStream",
};

void t.test("what clients are told is in the AsyncAPI document, by every protocol", async (t) => {
  const check = partCheck(asyncApi, "draft-07");
  const emitter = await connect(url);
  t.teardown(() => emitter.close());
  const session = randomUUID();
  const kinds = ["websocket", "polling", "plain", "event-stream"] as const;
  const clients: Client[] = [];
  for (const role of ROLES) {
    for (const kind of kinds) clients.push(await join({ url, session, role, kind }));
    clients.push(await join({ url, session, role, kind: "plain", wantsOffsets: true }));
  }
  for (const client of clients) if (client.kind !== "event-stream") client.ping();
  for (const client of clients) {
    if (client.kind !== "event-stream") await client.inbox.next(({ event }) => event === "pong");
  }
  for (const { publish } of [...ROWS, SESSION_ENDED]) {
    const { event, ...payload } = publish;
    await emitter.emit(session, event, payload as never);
  }
  await Promise.all(clients.map(({ closed }) => closed));

  const seen = new Set<string>();
  for (const { role, kind, inbox } of clients) {
    const dialect = DIALECTS[kind];
    for (const { event, json, object, offset } of inbox.items) {
      const channel = `${role}.${dialect}`;
      const place = ["channels", channel, "messages", event];
      if (!t.ok(partOf(asyncApi, ...place), place.join(" "))) continue;
      const message = ["components", "messages", `${dialect}.${event}`];
      const payload: unknown =
        dialect === "socketIo"
          ? [object, ...(offset === undefined ? [] : [offset])]
          : JSON.parse(json);
      t.equal(check(payload, ...message, "payload"), undefined, `${channel} ${event}`);
      if (dialect === "eventStream") {
        t.equal(check({ event, id: offset }, ...message, "headers"), undefined, event);
      }
      seen.add(`${channel} ${event}`);
    }
  }
  const documented = Object.entries(asyncApi["channels"] as Document)
    .filter(([name]) => name !== "socketIoDefault")
    .flatMap(([name, channel]) =>
      Object.keys((channel as { messages: Document }).messages).map((event) => `${name} ${event}`),
    )
    .filter((name) => !name.endsWith(" ping"));
  t.same([...seen].sort(), documented.sort(), "and nothing else is in it");
  t.ok(documented.length > (5 * EVENT_NAMES.length) / 2, "there is something");
});

void t.test("a route that says nothing of itself stops the start", (t) => {
  const http = fastify() as unknown as Http;
  serveDocuments(http, { takesKeys: false, takesTokens: false });
  t.throws(() => http.get("/new", () => "new"), /GET \/new says nothing of itself/);
  t.end();
});

void t.test(
  "nothing but the documents is there, and nothing at all where DOCS is off",
  async (t) => {
    const statusOf = async (path: string, of = url) => (await fetch(`${of}${path}`)).status;
    for (const path of [
      "/docs",
      "/docs/",
      "/docs/events",
      "/docs/events/",
      "/docs/swagger-ui.css",
    ]) {
      t.equal(await statusOf(path), 200, path);
    }
    for (const path of ["/docs/index.html", "/docs/..%2fpackage.json", "/docs/logo.svg"]) {
      t.equal(await statusOf(path), 404, path);
    }
    const detailOf = async (of: string) =>
      ((await (await fetch(`${of}/nothing`)).json()) as { detail: string }).detail;
    t.match(await detailOf(url), "see /docs");
    const off = await startInProcess(t, { DOCS: "off" });
    t.notMatch(await detailOf(off.url), "/docs");
    for (const path of ["/docs", "/docs/events", "/docs/openapi.json"]) {
      t.equal(await statusOf(path, off.url), 404, path);
    }
  },
);
