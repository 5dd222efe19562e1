// Small parts of the page. All text goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

export function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  return made;
}

// A position needs digits for 0.1 arcsec; times are seconds since 1998.
const DIGITS = [[/(^|_)(ra|dec)(_|$)/, 6], [/(^|_)(time|start|stop|tstart|tstop|mjd)(_|$)/, 3]];

/** Write a value: numbers to four digits, unless the column's name says that it needs more. */
export function shown(value, column = "") {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  const digits = DIGITS.find(([name]) => name.test(column.toLowerCase()));
  return digits ? value.toFixed(digits[1]) : Number(value.toPrecision(4)).toString();
}

/** A table whose rows can be clicked, or chosen with Enter; a heading sorts. */
export function table(columns, rows, onRow) {
  const made = make("table"), head = made.createTHead().insertRow(), body = made.createTBody();
  const fill = (sorted) => {
    body.replaceChildren();
    for (const row of sorted) {
      const line = body.insertRow();
      row.forEach((value, i) => line.append(make("td", shown(value, columns[i]), { className: typeof value === "number" ? "number" : "" })));
      if (!onRow) continue;
      line.className = "go";
      line.tabIndex = 0;
      line.addEventListener("click", () => onRow(row));
      line.addEventListener("keydown", (e) => e.key === "Enter" && onRow(row));
    }
  };
  let last = -1, down = false;
  columns.forEach((name, i) => {
    const cell = make("th"), button = make("button", name, { type: "button", title: `sort by ${name}` });
    button.addEventListener("click", () => {
      down = last === i && !down;
      last = i;
      const order = (a, b) => (a[i] === null) - (b[i] === null) || (a[i] < b[i] ? -1 : a[i] > b[i] ? 1 : 0) * (down ? -1 : 1);
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      fill([...rows].sort(order));
    });
    cell.append(button);
    head.append(cell);
  });
  fill(rows);
  return made;
}

/** Names and values, one below another. */
export function facts(rows) {
  const made = make("dl");
  for (const { name, value, title } of rows) made.append(make("dt", name, { title: title || "" }), make("dd", value));
  return made;
}

export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    button.textContent = "could not copy";
  }
  setTimeout(() => (button.textContent = before), 1500);
}

export function save(content, name) {
  const link = make("a", null, { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
