import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { startServer } from "../../helpers/processes/server-process.js";
import { openBrowser } from "../helpers/demo-page.js";

/** Where README has it. */
export const PICTURE = fileURLToPath(new URL("../classroom.png", import.meta.url));
const SIZES = { teacher: { width: 1040, height: 780 }, student: { width: 360, height: 780 } };
const GAP = 16;
const MINUTE_MS = 60_000;
const QUESTIONS = [
  ["Why is the derivative the slope?", 12],
  ["Does this also hold where the curve has a corner?", 7],
  ["Could you go over the last step once more?", 3],
] as const;

/** Makes README's picture anew: a teacher's screen and a student's phone, ten minutes into a lecture. */
export async function takePicture(): Promise<void> {
  const server = await startServer();
  const browser = await openBrowser();
  try {
    const session = "calculus-1";
    await publish(server.url, session, lecture());
    const open = async (role: keyof typeof SIZES): Promise<Page> => {
      const viewport = SIZES[role];
      const page = await browser.newPage({ viewport, locale: "en-US", colorScheme: "light" });
      await page.goto(`${server.url}/?session=${session}&role=${role}`);
      await page.getByTestId("moments").locator("li").first().waitFor();
      await page.evaluate("Promise.all([...document.images].map((image) => image.decode()))");
      return page;
    };
    const teacher = await open("teacher");
    const student = await open("student");
    await student.getByText("The teacher is here").waitFor();
    await teacher.getByText("1 student").waitFor();
    const shots = [await teacher.screenshot(), await student.screenshot()];
    const width = SIZES.teacher.width + SIZES.student.width + 3 * GAP;
    const height = SIZES.teacher.height + 2 * GAP;
    const page = await browser.newPage({ viewport: { width, height } });
    const images = shots.map(
      (png) => `<img src="data:image/png;base64,${png.toString("base64")}">`,
    );
    await page.setContent(
      `<style>body { display: flex; gap: ${String(GAP)}px; margin: 0; padding: ${String(GAP)}px;
      background: #c9cfda } img { border-radius: 10px }</style>${images.join("")}`,
    );
    await page.evaluate("Promise.all([...document.images].map((image) => image.decode()))");
    await page.screenshot({ path: PICTURE });
  } finally {
    await browser.close();
    await server.stop();
  }
}

function lecture(): readonly object[] {
  const now = Date.now();
  const at = (minutesAgo: number) => new Date(now - minutesAgo * MINUTE_MS).toISOString();
  const capture_url = "/sample-capture.svg";
  const votes = Array.from({ length: 150 }, (_, i) => {
    const minutesAgo = 9.8 * (1 - i / 150);
    const hard = minutesAgo < 3 ? 0.55 : 0.15;
    // Evenly spread, and the same each time.
    const feedback_type = (i * 0.618) % 1 < hard ? "HARD" : "OK";
    return { event: "feedback", feedback_type, created_at: at(minutesAgo) };
  });
  return [
    ...votes,
    {
      event: "important",
      note: "Mind the limit: this is in the exam",
      capture_url,
      created_at: at(6),
    },
    ...QUESTIONS.flatMap(([cleaned_text, like_count], i) => [
      {
        event: "new_question",
        question_id: i + 1,
        cleaned_text,
        capture_url: i === 0 ? capture_url : null,
        created_at: at(5 - i),
      },
      { event: "question_like_update", question_id: i + 1, like_count },
    ]),
  ];
}

async function publish(url: string, session: string, events: readonly object[]): Promise<void> {
  const response = await fetch(`${url}/sessions/${session}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": randomUUID() },
    body: JSON.stringify(events),
  });
  if (response.status !== 202) throw new Error(await response.text());
}
