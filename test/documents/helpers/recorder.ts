import { partOf, type Document, type PartCheck } from "./documents.js";

/** Which operation a request is. */
export interface Asked {
  readonly method: "get" | "post";
  /** As the document has it. */
  readonly path: string;
}

/** An answer, as it came. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

/** The answers of a real server, held against its document: what is wrong with them, and which ones have been seen. */
export class Recorder {
  readonly faults: string[] = [];
  /** `get /healthz 200`, or with a problem's code behind it. */
  readonly seen = new Set<string>();
  readonly #document: Document;
  readonly #check: PartCheck;

  constructor(document: Document, check: PartCheck) {
    this.#document = document;
    this.#check = check;
  }

  add({ method, path }: Asked, { status, headers, body }: Answered): void {
    const where = ["paths", path, method, "responses", String(status)];
    const what = `${method} ${path} ${status}`;
    const said = partOf(this.#document, ...where) as
      { readonly content?: Document; readonly headers?: Document } | undefined;
    if (!said) {
      this.faults.push(`${what} is not in the document: ${body.slice(0, 200)}`);
      return;
    }
    for (const name of Object.keys(said.headers ?? {})) {
      const isCode = /^(Retry-After|WWW-Authenticate)$/.test(name);
      if (isCode && !(name.toLowerCase() in headers)) this.#missed(name, what, body);
    }
    const type = headers["content-type"]?.split(";")[0];
    if (!said.content) {
      if (body !== "") this.faults.push(`${what} has a body: ${body.slice(0, 200)}`);
      this.seen.add(what);
      return;
    }
    if (type === undefined || !(type in said.content)) {
      this.faults.push(`${what} is ${String(type)}: ${body.slice(0, 200)}`);
      return;
    }
    const value: unknown = type.endsWith("json") ? JSON.parse(body) : body;
    const fault = this.#check(value, ...where, "content", type, "schema");
    if (fault !== undefined) this.faults.push(`${what}: ${fault}`);
    const code = (value as { readonly code?: string }).code;
    this.seen.add(status >= 400 ? `${what} ${String(code)}` : what);
  }

  /** All answers that the document has. */
  documented(): Set<string> {
    const all = new Set<string>();
    for (const [path, methods] of Object.entries(this.#document["paths"] as Document)) {
      for (const [method, operation] of Object.entries(methods as Document)) {
        const responses = (operation as { readonly responses: Document }).responses;
        for (const [status, response] of Object.entries(responses)) {
          const problem = partOf(response, "content", "application/problem+json", "schema");
          const [, more] = (partOf(problem, "allOf") ?? []) as readonly unknown[];
          const codes = partOf(more, "properties", "code", "enum") as readonly string[] | undefined;
          const what = `${method} ${path} ${status}`;
          for (const code of codes ?? [undefined]) all.add(code ? `${what} ${code}` : what);
        }
      }
    }
    return all;
  }

  /** A page of another origin is refused without a challenge, and so is who is at a place that is not. */
  #missed(name: string, what: string, body: string): void {
    const { code } = JSON.parse(body) as { readonly code?: string };
    if (code !== "origin_not_allowed") this.faults.push(`${what} ${String(code)} has no ${name}`);
  }
}
