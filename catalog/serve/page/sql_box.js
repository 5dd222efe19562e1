// The box for SQL: names are completed, queries remembered, errors shown at their place, answers sorted and clicked.

import { ask, send, toTopcat } from "./answers.js";
import { chart } from "./charts.js";
import { $, make, table } from "./elements.js";

const HISTORY = "photonlake.queries", MOST = 50;
const WORDS = ["SELECT", "FROM", "JOIN", "USING", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "selection"];
let names = [], relations = {};

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(HISTORY)) || [];
  } catch {
    return [];
  }
}

function remember(query) {
  try {
    localStorage.setItem(HISTORY, JSON.stringify([query, ...remembered().filter((q) => q !== query)].slice(0, MOST)));
  } catch {
    // a private window keeps nothing
  }
}

/** The word before the cursor. */
function typed() {
  const box = $("query"), before = box.value.slice(0, box.selectionStart);
  return /[\w.]*$/.exec(before)[0];
}

/** Names that begin like a word; columns of the relations that the query names come first. */
export function completions(word, query) {
  if (word.length < 2) return [];
  const near = Object.entries(relations).filter(([name]) => query.includes(name)).flatMap(([, columns]) => columns);
  const part = word.includes(".") && !names.some((n) => n.startsWith(word)) ? word.slice(word.lastIndexOf(".") + 1) : word;
  const fits = (n) => n.toLowerCase().startsWith(part.toLowerCase()) && n !== part;
  return [...new Set([...near.filter(fits), ...names.filter(fits)])].slice(0, 8).map((name) => ({ name, part }));
}

function offer() {
  const found = completions(typed(), $("query").value);
  $("completions").replaceChildren(...found.map(({ name, part }) => {
    const button = make("button", name, { type: "button" });
    button.addEventListener("click", () => complete(name, part));
    return button;
  }));
  return found;
}

function complete(name, part) {
  const box = $("query"), at = box.selectionStart;
  box.setRangeText(name, at - part.length, at, "end");
  box.focus();
  $("completions").replaceChildren();
}

/** Select what an error is about, where the query has it. */
function pointAt(message) {
  const box = $("query"), quoted = [...message.matchAll(/'([^']+)'|"([^"]+)"|\b([A-Za-z_][\w.]*)\b/g)].map((m) => m[1] || m[2] || m[3]);
  const wrong = quoted.find((word) => word.length > 1 && !names.includes(word) && new RegExp(`(^|\\W)${word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(\\W|$)`).test(box.value));
  if (!wrong) return;
  const at = box.value.indexOf(wrong);
  box.focus();
  box.setSelectionRange(at, at + wrong.length);
}

function plot(value) {
  const numbers = value.columns.filter((_, i) => value.rows.some((r) => typeof r[i] === "number"));
  if (numbers.length < 2) return "";
  const box = make("div", null, { className: "plot" }), place = make("div");
  const choose = (label, chosen) => {
    const select = make("select", null, { "aria-label": label });
    numbers.forEach((n) => select.append(make("option", n)));
    select.value = chosen;
    return select;
  };
  const [x, y] = [choose("column along x", numbers[0]), choose("column along y", numbers[1])], button = make("button", "plot", { type: "button" });
  button.addEventListener("click", () => {
    const [i, j] = [value.columns.indexOf(x.value), value.columns.indexOf(y.value)];
    const points = value.rows.filter((r) => r[i] !== null && r[j] !== null).map((r) => ({ x: r[i], y: r[j] }));
    place.replaceChildren(chart(points, { x: x.value, y: y.value }) || make("p", "nothing to plot"));
  });
  box.append(x, y, button, place);
  return box;
}

/** A button that sends the whole answer on, and says so. */
function sender(query, key) {
  const box = make("p", null, { className: "buttons" }), button = make("button", "send to TOPCAT", { type: "button" });
  const said = make("span", "", { className: "none", role: "status" });
  button.addEventListener("click", async () => {
    said.textContent = " sending…";
    said.textContent = ` ${await toTopcat(query, key).catch((error) => error.message)}`;
  });
  box.append(button, said);
  return box;
}

/** Set the box up. @param {{pick, mark, selection: () => Promise<string>}} told */
export function startSqlBox({ pick, mark, selection }) {
  let at = -1;
  ask("api/names").then((found) => {
    relations = found.relations;
    names = [...new Set([...WORDS, ...Object.keys(relations), ...found.functions, ...Object.values(relations).flat()])];
  }).catch(() => {});
  $("query").addEventListener("input", offer);
  $("query").addEventListener("keydown", (e) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) return $("sql").requestSubmit();
    if (e.key === "Escape") return $("completions").replaceChildren();
    if (e.key === "Tab" && $("completions").childNodes.length) {
      const [first] = completions(typed(), $("query").value);
      if (first) {
        e.preventDefault();
        complete(first.name, first.part);
      }
      return;
    }
    if (!e.altKey || !["ArrowUp", "ArrowDown"].includes(e.key)) return;
    const all = remembered();
    at = Math.max(-1, Math.min(all.length - 1, at + (e.key === "ArrowUp" ? 1 : -1)));
    if (at >= 0) $("query").value = all[at];
    e.preventDefault();
  });
  $("sql").addEventListener("submit", async (e) => {
    e.preventDefault();
    at = -1;
    $("completions").replaceChildren();
    $("answer").replaceChildren(make("p", "asking…", { className: "none" }));
    const start = performance.now(), query = $("query").value;
    remember(query);
    try {
      const key = /\bselection\b/i.test(query) ? await selection() : "";
      const value = await (await send("api/sql", { query, selection: key })).json();
      const id = value.columns.findIndex((c) => c === "detection_id" || c === "id");
      const note = `${value.rows.length} rows${value.more ? ", and more: only the first are shown" : ""}, ${Math.round(performance.now() - start)} ms`;
      const notes = [note, ...(value.notes || [])].map((text) => make("p", text, { className: "none" }));
      const made = table(value.columns, value.rows, id < 0 ? undefined : (row) => pick(row[id]));
      $("answer").replaceChildren(...notes, sender(query, key), plot(value), made);
      if (id >= 0) mark(value.rows.map((row) => row[id]));
    } catch (error) {
      $("answer").replaceChildren(make("p", error.message, { className: "error", role: "alert" }));
      pointAt(error.message);
    }
  });
}
