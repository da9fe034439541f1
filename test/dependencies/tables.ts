/** A row of a table by the names of its columns; backticks around a whole cell are taken off. */
export type Row = Readonly<Record<string, string>>;

/** The tables of a Markdown text, in their order. */
export function readTables(markdown: string): Row[][] {
  return markdown
    .split(/\n\n+/)
    .filter((block) => block.startsWith("|"))
    .map((table) => {
      const [header = [], , ...rows] = table.trimEnd().split("\n").map(cells);
      return rows.map((row) =>
        Object.fromEntries(header.map((name, i) => [name, row[i] ?? ""] as const)),
      );
    });
}

function cells(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim().replace(/^`([^`]*)`$/, "$1"));
}
