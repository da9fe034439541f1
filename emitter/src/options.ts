import { EmitterError } from "./errors.js";

/** Further away, a name is not the one that was meant. */
const MAX_DISTANCE = 3;

/**
 * The options that somebody gave, read once. Refuses what is no option: TypeScript tells of it, and callers in JavaScript would
 * never hear that it was passed over.
 *
 * @param what - whose options they are
 * @throws EmitterError `invalid_option`, with the option that may be meant
 */
export function readOptions<Options extends object>(
  what: string,
  options: Options,
  known: ReadonlySet<string>,
): Options {
  const given: unknown = options;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    const message = `the options of ${what} must be an object, such as { ${[...known].join(", ")} }; leave them out where there are none`;
    throw new EmitterError("invalid_option", message);
  }
  try {
    // Without a list of them: each call that publishes comes by here.
    for (const name in given) if (!known.has(name)) throw unknownOption(what, name, known);
    const read: Record<string, unknown> = {};
    for (const name of known) read[name] = (given as Readonly<Record<string, unknown>>)[name];
    return read as Options;
  } catch (cause) {
    if (cause instanceof EmitterError) throw cause;
    const message = `the options of ${what} cannot be read: give a plain object`;
    throw new EmitterError("invalid_option", message, { cause });
  }
}

function unknownOption(what: string, name: string, known: ReadonlySet<string>): EmitterError {
  const [nearest] = [...known]
    .map((one) => ({ one, far: distance(name.toLowerCase(), one.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  const isNear = nearest && nearest.far <= Math.min(MAX_DISTANCE, nearest.one.length / 2);
  const hint = isNear ? `is ${nearest.one} meant?` : `there are ${[...known].join(", ")}`;
  return new EmitterError(
    "invalid_option",
    `${what} has no option ${JSON.stringify(name)}: ${hint}`,
  );
}

/** How many letters are wrong, missing or too many (Levenshtein). */
function distance(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const row = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (before[j - 1] ?? 0) + (a[i] === b[j - 1] ? 0 : 1);
      row.push(Math.min((before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced));
    }
    before = row;
  }
  return before[b.length] ?? 0;
}
