/** How often each refusal was logged, those included that were left out of a flood of them. */
export function refusalsIn(output: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of output.split("\n")) {
    if (!line.includes('"refused"')) continue;
    const { code, untold = 0 } = JSON.parse(line) as { code: string; untold?: number };
    counts.set(code, (counts.get(code) ?? 0) + 1 + untold);
  }
  return counts;
}
