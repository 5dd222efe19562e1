// What the store has of one detection: facts, spectrum, light curve, image, neighbours, papers, its other detections.

import { ask } from "./answers.js";
import { chart, image, photonMap } from "./charts.js";
import { $, facts, make, shown, table } from "./elements.js";
import { sexagesimal } from "./shapes.js";

const NONE = "none in this store";
let serial = 0;

function part(title, fill) {
  const made = make("section"), place = make("div", "…");
  made.append(make("h3", title), place);
  $("detail").append(made);
  fill
    .then((content) => place.replaceChildren(content || make("p", NONE, { className: "none" })))
    .catch((error) => place.replaceChildren(make("p", error.message, { className: "error" })));
}

function place(fields) {
  const value = (name) => fields.find((f) => f.name === name)?.value ?? null;
  const ra = value("ra_aper"), dec = value("dec_aper");
  if (ra === null || dec === null) return null;
  const made = make("p", `${sexagesimal(ra, dec)} `, { className: "place" }), at = `${ra.toFixed(6)} ${dec.toFixed(6)}`;
  const links = {
    "Aladin Lite": `https://aladin.cds.unistra.fr/AladinLite/?target=${encodeURIComponent(at)}&fov=0.05`,
    ESASky: `https://sky.esa.int/esasky/?target=${encodeURIComponent(at)}&fov=0.05&cooframe=J2000`,
  };
  for (const [name, href] of Object.entries(links)) made.append(make("a", name, { href, target: "_blank", rel: "noreferrer noopener" }), " ");
  return made;
}

function known(found) {
  const box = make("div"), at = place(found.fields), types = found.types.map((t) => `${t.otype || t.class} (${t.authority}${t.predicted ? ", predicted" : ""})`);
  if (at) box.append(at);
  box.append(make("p", types.length ? `said to be ${types.join(", ")}` : "no type known"));
  for (const u of found.unusual) {
    const why = [...u.extremes, ...u.warnings].join("; ");
    box.append(make("p", `number ${u.rank} of ${u.n_ranked} in how unusual it is in ${u.space}${why ? `: ${why}` : ", and no column says why"}`));
  }
  box.append(facts(found.fields.map((f) => ({ name: f.name, value: f.value === null ? "–" : `${shown(f.value, f.name)} ${f.unit}`, title: f.description }))));
  return box;
}

function spectrum(s) {
  if (!s.rate) return null;
  const middle = s.rate.map((_, i) => Math.sqrt(s.edges_kev[i] * s.edges_kev[i + 1]));
  const points = s.rate.map((y, i) => ({ x: middle[i], y, low: y - s.error[i], high: y + s.error[i] }));
  return chart(points, { x: "energy [keV]; line: background", y: "count/s/keV", log: true }, { line: s.background.map((y, i) => ({ x: middle[i], y })) });
}

function lightCurve(c, id) {
  const box = make("div");
  if (c.rate) {
    const ks = (s) => (s - c.start_s[0]) / 1000, shade = c.start_s.map((s, i) => [ks(s), ks(c.stop_s[i])]);
    const points = c.rate.map((y, i) => ({ x: ks((c.start_s[i] + c.stop_s[i]) / 2), y, low: c.rate_lolim[i], high: c.rate_hilim[i] }));
    const drawn = (line) => chart(points, { x: `time [ks], bins of ${c.bin_s} s; shaded: good time${line.length ? "; line: blocks of constant rate" : ""}`, y: "count/s" }, { shade, line });
    const curve = drawn([]);
    box.append(curve || "", bins(c.bin_s, id, box));
    if (curve) {
      ask("api/blocks", { id })
        .then((b) => b.rate && curve.replaceWith(drawn(b.rate.flatMap((y, i) => [{ x: ks(b.start_s[i]), y }, { x: ks(b.stop_s[i]), y }]))))
        .catch(() => {}); // the curve itself is there
    }
  }
  if (c.said) box.append(make("p", c.said, { className: "none" }));
  return box.childNodes.length ? box : null;
}

/** A field for the length of a bin, which draws the light curve anew. */
function bins(now, id, box) {
  const label = make("label", "bins of "), input = make("input", null, { type: "number", value: now, min: 0, step: "any" });
  input.addEventListener("change", () => {
    ask("api/light_curve", { id, bin: input.value })
      .then((c) => box.replaceWith(lightCurve(c, id) || make("p", NONE)))
      .catch((error) => label.after(make("p", error.message, { className: "error", role: "alert" })));
  });
  label.append(input, " s");
  return label;
}

/** A text in which the names and positions are marked by which it was linked. */
function marked(text, evidence) {
  const made = make("p"), words = (evidence || "").split("\n").filter(Boolean);
  if (!text || !words.length) return make("p", text);
  const any = new RegExp(`(${words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+")).join("|")})`, "gi");
  text.split(any).forEach((piece, i) => made.append(i % 2 ? make("mark", piece) : piece));
  return made;
}

function papers(found) {
  if (!found.papers.length) return null;
  const box = make("div");
  for (const p of found.papers) {
    const one = make("details");
    one.append(make("summary", `${p.year || ""} ${p.title || p.bibcode}`), marked(p.abstract, p.evidence), make("p", `${p.bibcode} ${p.methods ? `(linked by ${p.methods})` : ""}`, { className: "none" }));
    box.append(one);
  }
  return box;
}

/** Show a detection. @param {{id: string, space: string, pick: (id: string) => void, mark: (ids: string[]) => void}} asked */
export function showSource({ id, space, pick, mark }) {
  const mine = ++serial, found = ask("api/detection", { id });
  $("detail").replaceChildren(make("h2", id));
  part("catalog", found.then(known));
  part("spectrum", ask("api/spectrum", { id }).then(spectrum));
  part("light curve", ask("api/light_curve", { id }).then((c) => lightCurve(c, id)));
  part(`neighbours in ${space}`, ask("api/neighbours", { space, id }).then(({ rows, stability }) => {
    if (mine === serial) mark(rows.map((r) => r.id));
    if (!rows.length) return null;
    const box = make("div"), columns = ["id", "distance", "hard_hs", "type", "alike in", "unlike in"];
    box.append(table(columns, rows.map((r) => [r.id, r.distance, r.hard_hs ?? null, r.otype ?? null, r.alike || null, r.unlike || null]), (row) => pick(row[0])));
    if (typeof stability === "number") box.append(make("p", `${Math.round(100 * stability)} % of its neighbours stay when its photons are drawn anew`, { className: "none" }));
    return box;
  }));
  part("papers", found.then(papers));
  part("all detections of the source", found.then(({ detections }) => {
    if (detections.length < 2) return make("p", "this one", { className: "none" });
    const names = Object.keys(detections[0]);
    return table(names, detections.map((d) => names.map((n) => d[n])), (row) => pick(row[0]));
  }));
  later("energy over time", "api/photon_map", id, photonMap);
  later("image", "api/image", id, image);
}

/** A part that is asked for when it comes into sight: a click waits for nothing that is not seen. */
function later(title, address, id, draw) {
  const box = make("section"), content = make("div");
  box.append(make("h3", title), content);
  $("detail").append(box);
  const seen = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    ask(address, { id })
      .then((made) => content.replaceChildren(made.counts ? draw(made) : make("p", NONE, { className: "none" })))
      .catch((error) => content.replaceChildren(make("p", error.message, { className: "error" })));
  });
  seen.observe(box);
}
