// A table that is one at any width: where it is narrow, each row becomes a card, and stays a row for who listens to it.

import { h, keyed, say } from "./shared/screens/dom.js";

/**
 * @param columns - `{ label, isNumber?, isHead? }`
 * @param caption - what it is, for who does not see the heading above
 */
export function createTable({ caption, columns }) {
  const body = h("tbody", { role: "rowgroup" });
  const root = h(
    "table",
    { role: "table", "aria-label": caption },
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        ...columns.map(({ label, isNumber }) =>
          h(
            "th",
            { role: "columnheader", scope: "col", class: isNumber ? "number" : undefined },
            label,
          ),
        ),
      ),
    ),
    body,
  );
  const makeRow = () =>
    h(
      "tr",
      { role: "row" },
      ...columns.map(({ label, isNumber, isHead }) =>
        h(isHead ? "th" : "td", {
          role: isHead ? "rowheader" : "cell",
          scope: isHead && "row",
          class: isNumber ? "number" : undefined,
          "data-label": label,
        }),
      ),
    );
  return {
    root,
    /** @param fill - `(cells, item, row)`, for each item of which something may have changed */
    draw(items, keyOf, fill) {
      keyed(body, {
        items,
        keyOf,
        make: makeRow,
        update: (row, item) => fill([...row.children], item, row),
      });
    },
  };
}

/** Sets the texts of cells; what is `undefined` is left as it is. */
export function sayAll(cells, texts) {
  for (const [i, text] of texts.entries()) if (text !== undefined) say(cells[i], text);
}
