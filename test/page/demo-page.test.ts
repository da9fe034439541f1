import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { Browser, BrowserContextOptions } from "playwright-core";
import t, { type Test } from "tap";
import { EVENTS, type Role } from "@inthon/emitter/protocol";
import { type Cluster, startCluster } from "../helpers/processes/cluster.js";
import type { ServerProcess } from "../helpers/processes/server-process.js";
import {
  isConnected,
  openBrowser,
  openDesk as openDeskOf,
  openLecture,
  picture,
  reads,
  screenOf,
} from "./helpers/demo-page.js";

const roles: readonly Role[] = ["teacher", "student"];

let cluster: Cluster;
let browser: Browser;
const restarts = new EventEmitter();
t.before(async () => {
  const onRestart = (replica: ServerProcess, error?: Error) => {
    restarts.emit(error ? "error" : replica.nodeId, error);
  };
  cluster = await startCluster({
    replicas: 3,
    loadBalancer: true,
    door: { restartAfterMs: 500, onRestart },
  });
  t.teardown(async () => cluster.stop());
  browser = await openBrowser();
  t.teardown(async () => browser.close());
});

const openDesk = (test: Test, options: BrowserContextOptions & { url?: string } = {}) =>
  openDeskOf(browser, test, { url: cluster.loadBalancer.url, ...options });

t.test("a lecture over two replicas, as its teacher and a student have it", async (t) => {
  const desk = openDesk(t);
  const { teacher, student } = await openLecture(desk);
  t.not(await teacher.replica.textContent(), await student.replica.textContent());
  for (const { replica } of [teacher, student]) await reads(replica, /^replica-[123]$/);
  await reads(teacher.page.getByTestId("count"), "1 student");
  await reads(student.page.getByTestId("presence"), "The teacher is here");

  await student.page.locator('[data-vote="HARD"]').click();
  await reads(student.page.getByTestId("voted"), "You said hard at");
  await reads(teacher.page.getByTestId("share"), "100 % find it hard");

  await student.press("Ask a question");
  await reads(teacher.page.locator(".questions-card"), "1 writing a question");
  // The slide of the moment comes before the words.
  await student.page.getByText("About this slide:").waitFor();
  await student.page.getByLabel("Your question").fill("미분은 왜 기울기인가요?");
  await student.press("Ask");
  for (const screen of [teacher, student]) {
    await reads(screen.questions, "미분은 왜 기울기인가요?");
    const capture = screen.questions.getByRole("link");
    t.match(await capture.getAttribute("href"), /\/sample-capture\.svg$/);
  }

  await student.press("I wonder too");
  await reads(teacher.questions, "1 also wondering");
  await teacher.press("Mark as answered");
  await teacher.page.getByText("Answered (1)").click();
  await reads(teacher.page.getByTestId("answered").locator("li"), /기울기/u);

  const note = teacher.page.getByLabel("Note for students");
  await note.fill("A slip");
  await teacher.press("This is important");
  await teacher.press("Undo");
  await note.fill("This will be in the exam");
  await teacher.press("This is important");
  await teacher.press("Send now");
  for (const screen of [teacher, student]) await reads(screen.moments, "This will be in the exam");
  t.equal(await student.moments.count(), 1, "what was undone was not sent");

  for (let vote = 2; vote <= 5; vote++) {
    await teacher.publish("feedback", { feedback_type: "HARD" });
    await teacher
      .frame("feedback")
      .nth(vote - 1)
      .waitFor();
  }
  await teacher.press("Send “many find this hard”");
  for (const screen of [teacher, student]) await reads(screen.moments, "Many found this hard");
  t.notOk(await teacher.page.getByTestId("offer").isVisible(), "it is offered once");

  await teacher.press("End lecture");
  await teacher.press("Cancel");
  await teacher.press("End lecture");
  await teacher.press("End it");
  for (const screen of [teacher, student]) {
    await screen.page.getByText("The lecture is over.").waitFor();
    await reads(screen.state, "Not connected");
  }
  t.notOk(await student.page.locator('[data-vote="OK"]').isVisible(), "there is nobody to tell");
  await student.press("Connect");
  await isConnected(student);
  t.same(desk.problems, []);
});

t.test("every event reaches its audience and nobody else, as frames with offsets", async (t) => {
  const desk = openDesk(t);
  const { teacher, student } = await openLecture(desk);
  const screens = { teacher, student };
  const names = Object.keys(EVENTS).filter((name) => name !== "session_ended");
  for (const name of [...names, "session_ended"]) {
    await student.publish(name);
    const { audience } = EVENTS[name as keyof typeof EVENTS];
    for (const role of audience) await reads(screens[role].frame(name), /^\d+-\d+\{"event":/);
  }
  // Each room has one order, and its last event is here: what has not come by now does not come.
  for (const role of roles) {
    const due = [...names, "session_ended"].filter((name) =>
      (EVENTS[name as keyof typeof EVENTS].audience as readonly Role[]).includes(role),
    );
    // The teacher's screen answers an intent with what is on the wall.
    const heard = await screens[role].heard();
    const answered = heard.filter(
      (name, at) => !(name === "question_capture" && at > 0 && heard.indexOf(name) < at),
    );
    t.same(answered, due, `the ${role} heard these and no other`);
  }
  t.same(desk.problems, []);
});

t.test("a reload and a late comer see the lecture, and a question is liked once", async (t) => {
  const desk = openDesk(t);
  const session = randomUUID();
  const teacher = await desk.open(session, "teacher");
  const early = await desk.open(session, "student");
  await teacher.openDrawer();
  await teacher.publish("new_question", {
    question_id: 7,
    cleaned_text: "Why so?",
    capture_url: null,
  });
  await early.press("I wonder too");
  await reads(teacher.questions, "1 also wondering");
  await teacher.publish("important");
  await teacher.publish("feedback", { feedback_type: "OK" });
  await reads(teacher.page.getByTestId("share"), "0 % find it hard");
  await reads(early.moments, "In the exam");

  const late = await desk.open(session, "student");
  await reads(late.questions, /Why so\?.*1 also wondering/su);
  await late.press("I wonder too");
  for (const screen of [teacher, early]) await screen.page.reload();
  for (const screen of [teacher, early, late]) {
    await reads(screen.questions, /Why so\?.*2 also wondering/su);
    await reads(screen.moments, "In the exam");
    t.equal(await screen.moments.count(), 1);
  }
  await reads(teacher.page.getByTestId("share"), "0 % find it hard");
  const liked = early.questions.getByRole("button", { name: "You wonder too", pressed: true });
  await liked.click();
  await late.page.reload();
  await reads(late.questions, /2 also wondering/);
  t.same(desk.problems, []);
});

t.test("what a publisher writes never becomes markup or an unsafe link", async (t) => {
  const desk = openDesk(t);
  const session = randomUUID();
  const student = await desk.open(session, "student");
  await student.openDrawer();
  const markup = "<img src=x onerror=alert(1)><b>bold</b>";
  await student.publish("important", { note: markup, capture_url: "https://example.com/a.png" });
  await reads(student.moments, markup);
  t.equal(await student.moments.locator("img, b").count(), 0, "nor a picture from elsewhere");
  t.equal(await student.moments.getByRole("link").getAttribute("rel"), "noopener noreferrer");
  t.same(desk.problems, []);
  await student.publish("important", { note: "", capture_url: "javascript:alert(1)" });
  await reads(student.page.getByTestId("outcome"), /400.*\/capture_url/s);
  t.match(desk.problems, [/^400 /, /^console: .*400/]);
  t.equal(desk.problems.length, 2, "the refusal, and the browser's word on it");
});

t.test("students see the teacher come and go", async (t) => {
  const desk = openDesk(t);
  const session = randomUUID();
  const teacher = await desk.open(session, "teacher");
  const student = await desk.open(session, "student");
  const presence = student.page.getByTestId("presence");
  await reads(presence, "The teacher is here");
  await teacher.page.close();
  await reads(presence, "The teacher is away");
  await desk.open(session, "teacher");
  await reads(presence, "The teacher is here");
  t.same(desk.problems, []);
});

t.test("a line that was cut comes back with what was missed, in every protocol", async (t) => {
  const desk = openDesk(t);
  const session = randomUUID();
  const teacher = await desk.open(session, "teacher");
  const student = await desk.open(session, "student");
  for (const screen of [teacher, student]) await screen.openDrawer();
  const samples: Record<string, Record<string, unknown>> = {
    important: { note: "", capture_url: null },
    hard_alert: { capture_url: null },
    question_capture: { question_id: 1, capture_url: null },
  };
  const missed = Object.keys(samples);
  const counts: string[] = [];
  for (const protocol of ["polling", "websocket", "eventsource", "socket.io"]) {
    await student.choose(protocol);
    await isConnected(student);
    await teacher.publish("important", { note: `before ${protocol}`, capture_url: null });
    await reads(student.frame("important"), `before ${protocol}`);
    await student.press("Clear");
    await student.press("Cut my line");
    await reads(student.state, "Line lost");
    const published = await teacher.page.request.post(`/sessions/${session}/events`, {
      headers: { "content-type": "application/json" },
      data: missed.map((name) => ({ event: name, ...samples[name] })),
    });
    t.equal(published.status(), 202);
    const line = student.page.getByTestId("return");
    await reads(line, /\d+\.\d s: [0-3] missed events? delivered, 0 lost$/);
    counts.push((await line.textContent()) ?? "");
    await student.frame("question_capture").waitFor();
    t.same(await student.heard(), ["connected", ...missed], protocol);
    if (protocol === "eventsource") continue;
    await student.press("Ping");
    await reads(student.page.getByTestId("round-trip"), /^\d+\.\d ms$/);
  }
  // Where this machine is slow, a line may be back before all of it is published.
  t.ok(
    counts.some((count) => count.includes(": 3 missed")),
    counts.join(", "),
  );
  // A poll that was under way when its line was cut is refused.
  const ofCut = /^(400 |console: .* 400 ).*transport=polling/;
  t.same(
    desk.problems.filter((each) => !ofCut.test(each)),
    [],
  );
});

t.test("a replica that a page kills costs it nothing, in every protocol", async (t) => {
  const session = randomUUID();
  const desk = openDesk(t);
  const other = await desk.open(session, "student");
  await other.openDrawer();
  const kill = { name: "Kill my replica" };
  t.equal(await other.page.getByRole("button", kill).count(), 0, "who has no token kills nothing");
  const refused = await other.page.request.post("/cluster/kill?replica=replica-1");
  t.equal(refused.status(), 401);
  // As it is sent by any page that finds the door's port: no target of a request ends the cluster.
  const strange = await other.page.request.get(`http://127.0.0.1:${String(cluster.doorPort)}//`);
  t.equal(strange.status(), 401);
  await other.page.close();
  t.same(desk.problems, []);

  const page = await openDesk(t).blank();
  const student = screenOf(page);
  const address = new URL(cluster.pageOf(session));
  address.searchParams.set("role", "student");
  await page.goto(address.href);
  await isConnected(student);
  t.equal(new URL(page.url()).hash, "", "the address that is shown and copied has no token");
  await student.openDrawer();
  const publish = async (notes: readonly string[]) => {
    const published = await page.request.post(`/sessions/${session}/events`, {
      headers: { "content-type": "application/json", "idempotency-key": randomUUID() },
      data: notes.map((note) => ({ event: "important", note, capture_url: null })),
    });
    t.equal(published.status(), 202);
  };
  const counts: string[] = [];
  for (const protocol of ["websocket", "eventsource", "polling", "socket.io"]) {
    await student.choose(protocol);
    await isConnected(student);
    await publish([`before ${protocol}`]);
    await reads(student.frame("important"), `before ${protocol}`);
    await reads(student.replica, /^replica-[123]$/);
    const replica = (await student.replica.textContent()) ?? "";
    await student.press("Clear");
    const restarted = once(restarts, replica);
    await page.getByRole("button", kill).click();
    await reads(student.state, "Line lost");
    await publish(["one", "two", "three"]);
    const line = page.getByTestId("return");
    await reads(
      line,
      /^back on replica-\d after \d+\.\d s: [0-3] missed events? delivered, 0 lost$/,
    );
    counts.push(`${protocol}: ${(await line.textContent()) ?? ""}`);
    await reads(student.frame("important"), "three");
    t.same(await student.heard(), ["connected", "important", "important", "important"], protocol);
    await restarted;
  }
  t.comment(counts.join("\n"));
  t.ok(
    counts.some((count) => count.includes(": 3 missed")),
    counts.join(", "),
  );
});

t.test("a crowd of fifty comes, votes, and goes", async (t) => {
  const desk = openDesk(t);
  const teacher = await desk.open(randomUUID(), "teacher");
  await teacher.openDrawer();
  await teacher.press("Bring 50 students");
  await reads(teacher.page.getByTestId("crowd"), "50 of 50 connected");
  await reads(teacher.page.getByTestId("count"), "50 students");
  await reads(teacher.page.getByTestId("share"), /\d % find it hard/);
  await teacher.press("Send them home");
  await reads(teacher.page.getByTestId("count"), "No students yet");
  t.same(desk.problems, []);
});

t.test(
  "the documents are read and tried in their pages, which load nothing from elsewhere",
  async (t) => {
    const desk = openDesk(t);
    const page = await desk.blank();
    const origins = new Set<string>();
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) origins.add(new URL(request.url()).origin);
    });
    const policyOf = async (path: string) => {
      const response = await page.goto(path);
      return response?.headerValue("content-security-policy");
    };

    t.match(await policyOf("/docs"), /^default-src 'none'; script-src 'self'; style-src 'self';/);
    const operation = page.locator("#operations-Operate-lives");
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    await operation.getByRole("button", { name: "Execute" }).click();
    await reads(operation.locator(".live-responses-table"), /"status": "ok"/);
    await picture(page, "docs-http");

    const session = randomUUID();
    t.match(
      await policyOf("/docs/events"),
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    for (const name of Object.keys(EVENTS)) await page.locator(`article#${name}`).waitFor();
    const heard = page.locator("#heard");
    for (const by of ["webSocket", "eventStream"]) {
      await page.locator('[name="session"]').fill(session);
      await page.locator('[name="by"]').selectOption(by);
      const before = await heard.getByText("connected").count();
      await page.getByRole("button", { name: "Connect" }).click();
      await heard.getByText('"event":"connected"').nth(before).waitFor();
    }
    await picture(page, "docs-events", true);
    t.same([...origins], [new URL(cluster.loadBalancer.url).origin]);
    t.same(desk.problems, []);
  },
);
