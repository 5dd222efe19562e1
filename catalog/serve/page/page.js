// The page: two maps that share colours and selection, a panel beside them, a box for SQL below.

import { readAddress, viewOf, viewText, writeAddress } from "./address.js";
import { ask, askColumns, Texts } from "./answers.js";
import { GRADIENT, limits, NO_VALUE, CLASS_COLOURS, ofClasses, ofNumbers } from "./colours.js";
import { $, make, shown, table } from "./elements.js";
import { PointMap } from "./point_map.js";
import { keep, showSelection } from "./selection_panel.js";
import { inside, onSky, skyGrid } from "./shapes.js";
import { showSource } from "./source_panel.js";
import { startSqlBox } from "./sql_box.js";

const state = { space: "", snapshot: 0, ids: null, n: 0, mask: null, shapes: [], chosen: "", values: null, hidden: new Set(), log: false, key: null, asked: 0, modality: {} };
const maps = [0, 1].map((k) => new PointMap($(`points${k}`), { onPick: (i) => pick(state.ids.at(i)), onHover: (i, e) => hover(k, i, e), onShape: (points, mode) => lasso(k, points, mode), onView: () => viewed(k) }));
const second = () => $("second").value;
const viewName = (k) => (k ? second() : $("space").value); // of a stored map "space:method"

function say(text, isError = false) {
  $("said").textContent = text;
  $("said").className = isError ? "error" : "";
}

function remember() {
  const [first, other] = maps.map((m) => viewText(m.view));
  writeAddress({ space: viewName(0), second: second(), x: $("x").value, y: $("y").value, column: $("column").value, size: $("size").value.trim(), opacity: $("opacity").value === "100" ? "" : $("opacity").value, log: state.log ? 1 : "", view: first, view2: second() ? other : "", id: state.chosen, snapshot: state.snapshot, shapes: state.shapes });
}

function hover(k, i, e) {
  $("hover").hidden = i < 0 || !state.ids;
  if (i < 0 || !state.ids) return;
  const box = $("maps").getBoundingClientRect(), value = state.values && (state.values.value ? shown(state.values.value[i]) : state.values.notes.classes[state.values.class[i]] || "not known");
  $("hover").textContent = value && value !== "NaN" ? `${state.ids.at(i)}  ${value}` : state.ids.at(i);
  $("hover").style.left = `${Math.min(e.clientX - box.left + 12, box.width - 190)}px`;
  $("hover").style.top = `${e.clientY - box.top + 12}px`;
}

function viewed(k) {
  const { outside } = maps[k];
  $(`outside${k}`).textContent = outside ? `${outside.toLocaleString("en")} outside, drawn at the edge` : "";
  clearTimeout(state.writing);
  state.writing = setTimeout(remember, 300);
}

/** Bring a column to -1...1 as a map has it, by logarithm where it spans more than three decades, or another factor. */
function axis(values, most = 1000) {
  let [low, high] = limits(values);
  const log = low > 0 && high / low > most, f = log ? Math.log10 : (v) => v;
  [low, high] = [f(low), f(high)];
  return { at: values.map((v) => (2 * (f(v) - low)) / (high - low) - 1), log };
}

async function showSecond() {
  const kind = second(), serial = ++state.asked;
  $("map1").hidden = !kind;
  $("columns_of_map").hidden = kind !== "columns";
  if (!kind) return remember();
  const value = (column) => askColumns("api/values", { space: state.space, column, snapshot: state.snapshot }).then((c) => c.value || Float32Array.from(c.class));
  try {
    let x, y, grid = [], label = kind;
    if (kind === "sky") {
      const [ra, dec] = await Promise.all([value("ra"), value("dec")]);
      [x, y] = [new Float32Array(ra.length), new Float32Array(ra.length)];
      for (let i = 0; i < ra.length; i++) [x[i], y[i]] = ra[i] === ra[i] ? onSky(ra[i], dec[i]) : [NaN, NaN];
      grid = skyGrid();
      label = "sky: ICRS, east is left, 0h in the middle";
    } else if (kind === "columns") {
      const [a, b] = (await Promise.all([value($("x").value), value($("y").value)])).map((v) => axis(v));
      [x, y] = [a.at, b.at];
      label = `${$("y").value}${b.log ? " (log)" : ""} over ${$("x").value}${a.log ? " (log)" : ""}`;
    } else {
      const map = await askColumns("api/map", { space: kind, rows_of: state.space, snapshot: state.snapshot });
      ({ x, y } = map);
      label = map.notes.said;
    }
    if (serial !== state.asked) return;
    maps[1].show(x, y, grid);
    $("name1").textContent = label;
    remember();
  } catch (error) {
    say(error.message, true);
  }
}

async function showSpace(asked = {}) {
  [state.space] = viewName(0).split(":");
  Object.assign(state, { ids: null, mask: null, shapes: [], key: null, chosen: "" });
  say("loading…");
  try {
    const { x, y, notes } = await askColumns("api/map", { space: viewName(0), rows_of: state.space });
    Object.assign(state, { n: x.length, snapshot: notes.snapshot });
    for (const m of maps) {
      m.select(null);
      m.widen(null);
    }
    maps[0].show(x, y);
    maps[0].lookAt(viewOf(asked.view) || { x: 0, y: 0, zoom: 1 });
    $("name0").textContent = notes.said;
    say(`${x.length.toLocaleString("en")} vectors`);
    const [ids] = await Promise.all([askColumns("api/ids", { space: state.space, snapshot: state.snapshot }), showColours(), showSizes(), showSecond()]);
    state.ids = new Texts(ids["id.offsets"], ids["id.bytes"]);
    if (second()) maps[1].lookAt(viewOf(asked.view2) || { x: 0, y: 0, zoom: 1 });
    for (const { view, mode, points } of asked.shapes || []) if ([0, 1].some((k) => view === viewName(k))) lasso(view === viewName(0) ? 0 : 1, points, mode, false);
    if (asked.id) pick(asked.id);
    else if (state.mask) describeSelection();
  } catch (error) {
    say(error.message, true);
  }
}

async function showColours() {
  const column = $("column").value.trim();
  state.values = null;
  state.hidden.clear();
  if (!column) return paintColours();
  try {
    state.values = await askColumns("api/values", { space: state.space, column, snapshot: state.snapshot });
    if (state.values.value) [state.low, state.high] = limits(state.values.value);
    paintColours();
  } catch (error) {
    $("legend").replaceChildren();
    say(error.message, true);
  }
}

/** Size the points by a column: the smallest and those without a value as they are, the largest widest. */
async function showSizes() {
  const column = $("size").value.trim(), { space } = state;
  let wider = null;
  try {
    const { value } = column ? await askColumns("api/values", { space, column, snapshot: state.snapshot }) : {};
    if (space !== state.space || column !== $("size").value.trim()) return;
    if (column && !value) throw new Error(`${column} holds no numbers; points are sized by numbers`);
    const widest = state.n > 50000 ? 3 : 10;
    if (value) wider = Uint8Array.from(axis(value, 10).at, (v) => (widest * (Math.max(-1, Math.min(1, v)) + 1)) / 2);
  } catch (error) {
    say(error.message, true);
  }
  maps.forEach((m) => m.widen(wider));
  remember();
}

function fade() {
  maps.forEach((m) => m.fade(Number($("opacity").value) / 100));
  remember();
}

function paintColours() {
  const { values } = state, legend = $("legend");
  legend.replaceChildren();
  if (!values) return maps.forEach((m) => m.colour(null));
  remember();
  if (values.value) {
    const positive = state.low > 0, colours = ofNumbers(values.value, state.low, state.high, state.log && positive);
    maps.forEach((m) => m.colour(colours));
    const ramp = make("i", null, { className: "ramp" }), limit = (name) => {
      const input = make("input", null, { value: Number(state[name].toPrecision(4)), size: 6, "aria-label": `${name} end of the colours` });
      input.addEventListener("change", () => {
        if (Number.isFinite(Number(input.value))) state[name] = Number(input.value);
        paintColours();
      });
      return input;
    };
    ramp.style.background = GRADIENT;
    const log = make("label", "log "), tick = make("input", null, { type: "checkbox", checked: state.log && positive, disabled: !positive });
    tick.addEventListener("change", () => {
      state.log = tick.checked;
      paintColours();
    });
    log.append(tick);
    legend.append(`${values.notes.column}${values.notes.unit ? ` [${values.notes.unit}]` : ""} `, limit("low"), ramp, limit("high"), log);
    return;
  }
  const names = values.notes.classes, colours = ofClasses(values.class, names, state.hidden);
  maps.forEach((m) => m.colour(colours));
  [...names, "not known"].forEach((name, i) => {
    const c = i === names.length ? -1 : i, dot = make("i"), button = make("button", null, { type: "button", "aria-pressed": String(!state.hidden.has(c)), title: `show or hide ${name}` });
    dot.style.background = c < 0 || name === "others" ? NO_VALUE : CLASS_COLOURS[c % CLASS_COLOURS.length];
    button.append(dot, name);
    button.addEventListener("click", () => {
      if (!state.hidden.delete(c)) state.hidden.add(c);
      paintColours();
    });
    legend.append(button);
  });
  if (!names.length) legend.append("no types known");
}

/** Select the points inside a shape on one of the maps: anew, added, or taken away. */
function lasso(k, points, given, describe = true) {
  const mode = given || document.querySelector("input[name=mode]:checked").value, held = inside(points, maps[k].x, maps[k].y), { hidden, values } = state;
  if (hidden.size && values?.class) held.forEach((v, i) => v && hidden.has(values.class[i]) && (held[i] = 0));
  const before = mode === "new" ? null : state.mask;
  state.mask = before ? held.map((v, i) => (mode === "add" ? v | before[i] : before[i] & (1 - v))) : mode === "remove" ? null : held;
  state.shapes = [...(mode === "new" ? [] : state.shapes), { view: viewName(k), mode, points }];
  state.key = null;
  let n = 0;
  if (state.mask) for (const v of state.mask) n += v;
  state.selected = n;
  if (!n) state.mask = null;
  maps.forEach((m) => m.select(state.mask));
  say(n ? `${n.toLocaleString("en")} selected` : "nothing selected");
  state.chosen = "";
  remember();
  if (describe) describeSelection();
}

function describeSelection() {
  if (!state.mask) return $("detail").replaceChildren(make("p", "Nothing is selected.", { className: "hint" }));
  const { space, mask, selected, ids, snapshot } = state;
  showSelection({ space, ofPapers: state.modality[space] === "papers", mask, n: selected, texts: ids, snapshot, column: $("column").value.trim() || "otype", key: selectionKey, clear: clearSelection });
}

function selectionKey() {
  if (!state.mask) return Promise.resolve("");
  state.key ||= keep(state.space, state.mask, state.snapshot).catch((error) => {
    state.key = null;
    throw error;
  });
  return state.key;
}

function clearSelection() {
  Object.assign(state, { mask: null, shapes: [], key: null });
  maps.forEach((m) => m.select(null));
  describeSelection();
  say(`${state.n.toLocaleString("en")} vectors`);
  remember();
}

function mark(ids, chosen) {
  const places = ids.length || chosen ? state.ids?.places : null;
  const rows = ids.map((id) => places?.get(id)).filter((i) => i !== undefined);
  maps.forEach((m) => m.mark(rows, places?.get(chosen) ?? -1));
}

function pick(id) {
  state.chosen = id;
  mark([], id);
  remember();
  showSource({ id, space: state.space, pick, mark: (ids) => mark(ids, id) });
}

async function find() {
  const text = $("words").value.trim();
  if (!text) return;
  mark([]);
  $("detail").replaceChildren(make("p", "searching…", { className: "hint" }));
  try {
    const { said, rows } = await ask("api/search", { space: state.space, text });
    mark(rows.map((r) => r.id));
    $("detail").replaceChildren(make("h2", said), table(["id", "name", "distance"], rows.map((r) => [r.id, r.name ?? null, r.distance ?? null]), (row) => pick(row[0])));
    say(`${rows.length} found`);
  } catch (error) {
    $("detail").replaceChildren(make("p", error.message, { className: "error", role: "alert" }));
    say("nothing found", true);
  }
}

function listen() {
  $("find").addEventListener("submit", (e) => {
    e.preventDefault();
    find();
  });
  $("space").addEventListener("change", () => showSpace());
  $("column").addEventListener("change", showColours);
  $("size").addEventListener("change", showSizes);
  $("opacity").addEventListener("input", fade);
  for (const id of ["second", "x", "y"]) $(id).addEventListener("change", showSecond);
  for (const tool of document.querySelectorAll("input[name=tool]")) tool.addEventListener("change", () => maps.forEach((m) => (m.tool = tool.value)));
  $("home").addEventListener("click", () => maps.forEach((m) => m.fit(false)));
  $("all").addEventListener("click", () => maps.forEach((m) => m.fit(true)));
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && !["INPUT", "TEXTAREA", "SELECT"].includes(e.target.tagName) && state.mask) clearSelection();
  });
  startSqlBox({ pick, mark, selection: selectionKey });
}

async function start() {
  const asked = readAddress(), found = await ask("api/overview");
  $("store").textContent = `${found.store}, snapshot ${found.snapshot}: ${found.detections.toLocaleString("en")} detections, ${found.papers.toLocaleString("en")} papers`;
  $("simulated").hidden = !found.simulated;
  state.modality = Object.fromEntries(found.spaces.map((s) => [s.space, s.modality]));
  for (const s of found.spaces) {
    $("space").append(make("option", `${s.space} (${s.dim}-d)`, { value: s.space }));
    $("second").append(make("option", s.space, { value: s.space }));
  }
  for (const m of found.maps) for (const id of ["space", "second"]) $(id).append(make("option", m.said, { value: m.map }));
  const more = [{ name: "otype", description: "Type that SIMBAD gives" }, { name: "ra" }, { name: "dec" }];
  for (const c of [...more, ...found.columns]) $("columns").append(make("option", c.description, { value: c.name }));
  listen();
  for (const name of ["space", "second", "x", "y", "column", "size", "opacity"]) if (asked[name] !== undefined) $(name).value = asked[name];
  state.log = asked.log === "1";
  if (asked.snapshot && Number(asked.snapshot) !== found.snapshot) {
    $("notice").hidden = false;
    $("notice").textContent = `This address was made at snapshot ${asked.snapshot}; the store is at ${found.snapshot}: what you see may differ.`;
  }
  if (!found.spaces.length) return say("no vectors yet: python -m embed run", true);
  fade();
  if (!$("space").value) $("space").value = found.spaces[0].space;
  await showSpace(asked);
}

start().catch((error) => say(error.message, true));
globalThis.photonlake = { maps, state }; // for the console, and what measures and tests the page
