"use strict";
// What the page does: asks the server, and puts its answers where they belong. All text goes in as text, never as HTML.

const $ = (id) => document.getElementById(id);
const state = { space: "", serial: 0 };

async function ask(path, given) {
  const answer = await fetch(given ? `${path}?${new URLSearchParams(given)}` : path);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  Object.assign(made, attributes);
  return made;
}

function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return Number(value.toPrecision(4)).toString();
  return String(value);
}

function say(text, isError = false) {
  $("said").textContent = text;
  $("said").className = isError ? "error" : "";
}

function table(columns, rows, onRow) {
  const made = make("table"), head = made.createTHead().insertRow(), body = made.createTBody();
  for (const name of columns) head.append(make("th", name));
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.append(make("td", shown(value)));
    if (onRow) {
      line.className = "go";
      line.addEventListener("click", () => onRow(row));
    }
  }
  return made;
}

const map = new PointMap($("points"), pick, hover);

function hover(i, e) {
  $("hover").hidden = i < 0;
  if (i < 0) return;
  const box = $("map").getBoundingClientRect();
  $("hover").textContent = map.map.ids[i];
  $("hover").style.left = `${Math.min(e.clientX - box.left + 12, box.width - 150)}px`;
  $("hover").style.top = `${e.clientY - box.top + 12}px`;
}

async function showSpace() {
  state.space = $("space").value;
  say("loading…");
  try {
    map.show(await ask("api/map", { space: state.space }));
    say(`${map.map.ids.length.toLocaleString("en")} vectors`);
    await showColours();
  } catch (error) {
    say(error.message, true);
  }
}

async function showColours() {
  const column = $("column").value.trim();
  $("legend").replaceChildren();
  if (!column) return map.colour(null);
  try {
    const colours = await ask("api/colours", { space: state.space, column });
    map.colour(colours);
    if (colours.classes) {
      colours.classes.forEach((name, i) => {
        const item = make("span", null), dot = make("i");
        dot.style.background = CLASS_COLOURS[i % CLASS_COLOURS.length];
        item.append(dot, name);
        $("legend").append(item);
      });
      if (!colours.classes.length) $("legend").append("no types known");
    } else {
      const [low, high] = limits(colours.values), ramp = make("i", null, { className: "ramp" });
      ramp.style.background = `linear-gradient(90deg, ${RAMP.join(",")})`;
      $("legend").append(`${column} ${shown(low)}`, ramp, shown(high));
    }
  } catch (error) {
    say(error.message, true);
  }
}

function part(title, fill) {
  const made = make("section"), place = make("div");
  made.append(make("h3", title), place);
  $("detail").append(made);
  fill
    .then((content) => place.replaceChildren(content || make("p", "none in this store", { className: "none" })))
    .catch((error) => place.replaceChildren(make("p", error.message, { className: "error" })));
}

function pick(id) {
  const serial = ++state.serial;
  $("detail").replaceChildren(make("h2", id));
  map.mark([], id);
  const facts = ask("api/detection", { id });
  const spectrum = ask("api/spectrum", { id }), near = ask("api/neighbours", { space: state.space, id }), light = ask("api/light_curve", { id });
  part("catalog", facts.then((found) => {
    const made = table([], found.fields.map((f) => [f.name, f.value === null ? null : `${shown(f.value)} ${f.unit}`]));
    found.fields.forEach((f, i) => (made.tBodies[0].rows[i].title = f.description || ""));
    const types = found.types.map((t) => `${t.otype || t.class} (${t.authority}${t.predicted ? ", predicted" : ""})`);
    const box = make("div");
    box.append(made, make("p", types.length ? `said to be ${types.join(", ")}` : "no type known"));
    return box;
  }));
  part("spectrum", spectrum.then((s) => s.rate && chart(
    s.rate.map((y, i) => ({ x: Math.sqrt(s.edges_kev[i] * s.edges_kev[i + 1]), y, low: y - s.error[i], high: y + s.error[i] })),
    { x: "energy [keV]", y: "count/s/keV", log: true },
  )));
  part("light curve", light.then((c) => {
    const drawn = c.rate && chart(
      c.rate.map((y, i) => ({ x: (c.start_s[i] - c.start_s[0]) / 1000, y, low: c.rate_lolim[i], high: c.rate_hilim[i] })),
      { x: `time [ks], bins of ${c.bin_s} s`, y: "count/s" },
    );
    if (!c.said) return drawn;
    const box = make("div");
    box.append(...(drawn ? [drawn] : []), make("p", c.said, { className: "none" }));
    return box;
  }));
  part(`neighbours in ${state.space}`, near.then((found) => {
    if (serial === state.serial) map.mark(found.rows.map((r) => r.id), id);
    return table(["id", "distance", "hard_hs", "type"], found.rows.map((r) => [r.id, r.distance, r.hard_hs, r.otype]), (row) => pick(row[0]));
  }));
  part("papers", facts.then((found) => {
    if (!found.papers.length) return null;
    const box = make("div");
    for (const p of found.papers) {
      const one = make("details");
      one.append(make("summary", `${p.year || ""} ${p.title || p.bibcode}`), make("p", p.abstract), make("p", `${p.bibcode} ${p.methods?.length ? `— ${p.methods.join(", ")}` : ""}`, { className: "none" }));
      box.append(one);
    }
    return box;
  }));
}

$("find").addEventListener("submit", async (e) => {
  e.preventDefault();
  const text = $("words").value.trim();
  if (!text) return;
  try {
    const found = await ask("api/search", { space: state.space, text });
    map.mark(found.rows.map((r) => r.id));
    const rows = found.rows.map((r) => [r.id, r.name, r.distance]);
    $("detail").replaceChildren(make("h2", `nearest to “${text}”`), table(["id", "name", "distance"], rows, (row) => pick(row[0])));
    say(`${rows.length} found`);
  } catch (error) {
    say(error.message, true);
  }
});

$("sql").addEventListener("submit", async (e) => {
  e.preventDefault();
  $("answer").replaceChildren(make("p", "asking…", { className: "none" }));
  const start = performance.now();
  try {
    const answer = await fetch("api/sql", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query: $("query").value }) });
    const value = await answer.json();
    if (!answer.ok) throw new Error(value.error);
    const at = value.columns.findIndex((c) => c === "detection_id" || c === "id");
    const note = `${value.rows.length} rows${value.more ? ", and more: only the first are shown" : ""}, ${Math.round(performance.now() - start)} ms`;
    const notes = [note, ...(value.notes || [])].map((text) => make("p", text, { className: "none" }));
    $("answer").replaceChildren(...notes, table(value.columns, value.rows, at < 0 ? undefined : (row) => pick(row[at])));
    if (at >= 0) map.mark(value.rows.map((row) => row[at]));
  } catch (error) {
    $("answer").replaceChildren(make("p", error.message, { className: "error" }));
  }
});
$("query").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) $("sql").requestSubmit();
});
$("space").addEventListener("change", showSpace);
$("column").addEventListener("change", showColours);

ask("api/overview").then((found) => {
  $("store").textContent = `${found.store}, snapshot ${found.snapshot}: ${found.detections.toLocaleString("en")} detections, ${found.papers.toLocaleString("en")} papers`;
  $("simulated").hidden = !found.simulated;
  for (const s of found.spaces) $("space").append(make("option", `${s.space} (${s.dim}-d)`, { value: s.space }));
  for (const c of [{ name: "otype", description: "Type that SIMBAD gives" }, ...found.columns]) $("columns").append(make("option", c.description, { value: c.name }));
  if (found.spaces.length) return showSpace();
  say("no vectors yet: python -m embed run", true);
}).catch((error) => say(error.message, true));
