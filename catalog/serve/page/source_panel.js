// What the store has of one detection: facts, spectrum, light curve, image, neighbours, papers, its other detections.

import { ask } from "./answers.js";
import { chart, image } from "./charts.js";
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
    box.append(chart(points, { x: `time [ks], bins of ${c.bin_s} s; shaded: good time`, y: "count/s" }, { shade }) || "", bins(c.bin_s, id, box));
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

function papers(found) {
  if (!found.papers.length) return null;
  const box = make("div");
  for (const p of found.papers) {
    const one = make("details");
    one.append(make("summary", `${p.year || ""} ${p.title || p.bibcode}`), make("p", p.abstract), make("p", `${p.bibcode} ${p.methods ? `(linked by ${p.methods})` : ""}`, { className: "none" }));
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
  part(`neighbours in ${space}`, ask("api/neighbours", { space, id }).then(({ rows }) => {
    if (mine === serial) mark(rows.map((r) => r.id));
    return rows.length ? table(["id", "distance", "hard_hs", "type"], rows.map((r) => [r.id, r.distance, r.hard_hs ?? null, r.otype ?? null]), (row) => pick(row[0])) : null;
  }));
  part("papers", found.then(papers));
  part("all detections of the source", found.then(({ detections }) => {
    if (detections.length < 2) return make("p", "this one", { className: "none" });
    const names = Object.keys(detections[0]);
    return table(names, detections.map((d) => names.map((n) => d[n])), (row) => pick(row[0]));
  }));
  // The image is asked for when it comes into sight: a click waits for nothing that is not seen.
  const box = make("section"), content = make("div");
  box.append(make("h3", "image"), content);
  $("detail").append(box);
  const seen = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    ask("api/image", { id })
      .then((made) => content.replaceChildren(made.counts ? image(made) : make("p", NONE, { className: "none" })))
      .catch((error) => content.replaceChildren(make("p", error.message, { className: "error" })));
  });
  seen.observe(box);
}
