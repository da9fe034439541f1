import type { CountedEvent } from "../load/event-number.js";
import type { Audience } from "../system.js";
import { patternFor } from "../patterns.js";
import { costOf, measureWindow } from "../measure/window.js";
import type { Bench, Experiment } from "./experiment.js";
import type { RowId } from "../rows.js";
import type { SystemOptions } from "../system.js";
import { inTurn, stockAndOurs, WITH_AND_WITHOUT_METRICS } from "./turns.js";

const TEACHERS = 1;
/** What is published to a session, in turn: for students, for the teacher, and for both. */
const EVENTS: readonly CountedEvent[] = [
  "question_capture",
  "question_intent",
  "new_question",
  "question_capture",
  "question_like_update",
];
const NS_PER_US = 1_000;
/** Of the deliveries that stock can do in one large room. Small rooms cost it more for each. */
const LOAD = 0.25;

/** A replica as it is at noon: many classes, each small, and something happening everywhere. */
export const manySessions = atNoon("many-sessions", stockAndOurs());
export const manySessionsScraped = atNoon("metrics-sessions", WITH_AND_WITHOUT_METRICS);

function atNoon(id: RowId, compared: Readonly<Record<string, SystemOptions>>): Experiment {
  return { rows: [id], run: (bench) => measureNoon(id, compared, bench) };
}

async function measureNoon(
  id: RowId,
  compared: Readonly<Record<string, SystemOptions>>,
  bench: Bench,
): Promise<void> {
  const { lab } = bench;
  const { sizes } = lab.options;
  const recorder = bench.recorders.get(id);
  if (recorder === undefined) return;
  const sessions = Array.from({ length: sizes.sessions }, (_, i) => `class-${i + 1}`);
  const audiences = sessions.flatMap((session): Audience[] => [
    { session, role: "student", clients: sizes.studentsPerSession, events: EVENTS },
    { session, role: "teacher", clients: TEACHERS, events: EVENTS },
  ]);
  const { deliveriesPerSecond } = await bench.calibration();
  const eventsPerSecond = (deliveriesPerSecond / deliveriesPerEvent(sizes)) * LOAD;
  const stream = {
    sessions,
    events: EVENTS,
    bursts: Math.ceil((eventsPerSecond * sizes.windowMs) / 1_000),
    burstsPerSecond: eventsPerSecond,
    burst: 1,
  };
  recorder.note(
    `${sizes.sessions} sessions of ${TEACHERS} teacher and ${sizes.studentsPerSession} students, ` +
      `${eventsPerSecond.toFixed(0)} events/s`,
  );
  await inTurn(lab, compared, {
    prepare: (system) => system.connect(audiences),
    measure: async (system, name, round) => {
      const window = await measureWindow(lab, system, stream, (window) => {
        recorder.sawWindow(window);
      });
      if (round > 0) recorder.add(name, costOf(window) / NS_PER_US);
    },
    finish: async (system) => {
      recorder.saw(await system.aftermath());
    },
  });
}

/** On average over the mix. */
function deliveriesPerEvent({ studentsPerSession }: { studentsPerSession: number }): number {
  const audiences = EVENTS.map((event) => audienceOf(event, studentsPerSession));
  return audiences.reduce((sum, size) => sum + size, 0) / EVENTS.length;
}

function audienceOf(event: CountedEvent, students: number): number {
  const [reachesStudents] = patternFor("student", [event]);
  const [reachesTeacher] = patternFor("teacher", [event]);
  return (reachesStudents === true ? students : 0) + (reachesTeacher === true ? TEACHERS : 0);
}
