/** Who takes part while a project moves from Django: classes on both sides, who hear the same. */
import { randomUUID } from "node:crypto";
import { strict as assert } from "node:assert";
import { crc32 } from "node:zlib";
import { join, type Client } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";

const NOTE = "Look at this again";

/** A teacher and a student of one lecture. */
interface Class {
  readonly session: string;
  readonly teacher: Client;
  readonly student: Client;
}

/** Tells classes something by the views of Django, and judges what they heard. */
export class Sides {
  readonly #url: string;
  readonly #ours: string;
  readonly #classes = new Map<string, Class>();
  readonly #all: Client[] = [];

  /**
   * @param url - the balancer's
   * @param ours - of the new side
   */
  constructor(url: string, ours: string) {
    this.#url = url;
    this.#ours = ours;
  }

  async close(): Promise<void> {
    for (const client of this.#all) await client.close();
  }

  /** Before the move: what clients hear from the original. */
  async tellAlone(django: string): Promise<void> {
    const { session, student } = await this.#join(django, "another");
    await this.#tell(django, session, "important", { note: NOTE, capture_url: null });
    await student.inbox.next(({ object }) => object["note"] === NOTE);
    await this.close();
  }

  /** A class that is listed, one of the share, and one that is left on the old side. */
  async seat(): Promise<void> {
    const hash = (session: string) => crc32(session) % 100;
    const ids = Array.from({ length: 2_000 }, () => randomUUID());
    const inShare = ids.find((id) => hash(id) < 10) ?? "";
    assert(hash("another") >= 10 && inShare !== "");
    for (const session of ["pilot-1", inShare, "another"]) {
      this.#classes.set(session, await this.#join(this.#url, session));
      const isOurs = session !== "another";
      assert.equal(await this.#isOurs(session), isOurs, `${session} is on the wrong side`);
    }
  }

  /** What the page's own commands have published. */
  async judgePublished(): Promise<void> {
    for (const session of ["pilot-1", "another"]) {
      const { student } = this.#class(session);
      await student.inbox.next(({ object }) => object["note"] === NOTE);
    }
  }

  /** Each view of the original, to both sides: each hears the same, once. */
  async tellBoth(): Promise<void> {
    const question = { question_id: 7, cleaned_text: "왜요?", capture_url: null };
    const heard: string[] = [];
    for (const [session, { teacher, student }] of this.#classes) {
      await this.#tell(this.#url, session, "feedback", { feedback_type: "HARD" });
      await this.#tell(this.#url, session, "new_question", question);
      await this.#tell(this.#url, session, "hard_alert", { capture_url: "/captures/7.png" });
      await this.#tell(this.#url, session, "question_like_update", {
        question_id: 7,
        like_count: 1,
      });
      await this.#tell(this.#url, session, "important", { note: "the last", capture_url: null });
      await teacher.inbox.next(({ event }) => event === "question_like_update");
      await student.inbox.next(({ object }) => object["note"] === "the last");
      // On the listed and the old side there was one before.
      const told = [teacher, student].map(({ inbox }) =>
        inbox.items.filter(({ object }) => object["note"] !== NOTE).map(withoutItsTime(session)),
      );
      heard.push(JSON.stringify(told));
    }
    for (const one of heard) assert.equal(one, heard[0]);
  }

  /** The new side is away. */
  async tellOld(): Promise<void> {
    const { student } = this.#class("another");
    await this.#tell(this.#url, "another", "important", { note: "to the old", capture_url: null });
    await student.inbox.next(({ object }) => object["note"] === "to the old");
  }

  /** All have moved: whoever comes back is on the new side, and is sent away at the end. */
  async tellNew(): Promise<void> {
    const { student } = await this.#join(this.#url, "another");
    await eventually(() => this.#isOurs("another"));
    await this.#tell(this.#url, "another", "important", { note: "to the new", capture_url: null });
    await student.inbox.next(({ object }) => object["note"] === "to the new");
    await this.#tell(this.#url, "another", "session_ended", {});
    assert.equal(await student.closed, 1000);
  }

  async #join(url: string, session: string): Promise<Class> {
    const student = await join({ url, session, role: "student", kind: "plain" });
    const teacher = await join({ url, session, role: "teacher", kind: "plain" });
    this.#all.push(student, teacher);
    await student.inbox.next(({ object }) => object["is_online"] === true);
    return { session, teacher, student };
  }

  #class(session: string): Class {
    const found = this.#classes.get(session);
    if (found === undefined) throw new Error(`there is no class ${session}`);
    return found;
  }

  async #isOurs(session: string): Promise<boolean> {
    const response = await fetch(`${this.#ours}/sessions/${session}`);
    const { connections } = (await response.json()) as { connections: { student: number } };
    return connections.student > 0;
  }

  async #tell(url: string, session: string, view: string, fields: object): Promise<void> {
    const body = JSON.stringify(fields);
    const response = await fetch(`${url}/lectures/${session}/${view}/`, { method: "POST", body });
    assert.equal(response.status, 204, `${view} was answered ${String(response.status)}`);
  }
}

/** An event as both sides must tell it, but for the time and the lecture; its fields in the order of their names. */
function withoutItsTime(session: string) {
  return ({ object }: { readonly object: Readonly<Record<string, unknown>> }) =>
    Object.entries(object)
      .filter(([name, value]) => !name.endsWith("_at") && value !== session)
      .sort();
}
