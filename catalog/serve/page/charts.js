// Small charts as SVG: values with error bars, histograms; and an image as pixels.

const SVG = "http://www.w3.org/2000/svg";

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) made.setAttribute(k, v);
  if (text !== undefined) made.textContent = text;
  return made;
}

const W = 380, H = 190, LEFT = 62, BOTTOM = 34, TOP = 8, RIGHT = 8;

export function ticks(low, high, log) {
  if (log) return [0.1, 0.2, 0.5, 1, 2, 5, 10].filter((t) => t >= low && t <= high);
  const step = 10 ** Math.floor(Math.log10((high - low) / 3 || 1));
  const wide = [1, 2, 5, 10].map((m) => m * step).find((s) => (high - low) / s <= 5) || step;
  const out = [];
  for (let t = Math.ceil(low / wide) * wide; t <= high + 1e-12; t += wide) out.push(Number(t.toPrecision(6)));
  return out;
}

/** An empty chart with axes; `px` and `py` place a value. */
function axes([x0, x1], [y0, y1], { x: xName, y: yName, log = false, logY = false }) {
  const svg = node("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${yName} over ${xName}` });
  const same = (v) => v, fx = log ? Math.log : same, fy = logY ? Math.log : same;
  const px = (v) => LEFT + ((fx(v) - fx(x0)) / (fx(x1) - fx(x0) || 1)) * (W - LEFT - RIGHT);
  const py = (v) => H - BOTTOM - ((fy(v) - fy(y0)) / (fy(y1) - fy(y0))) * (H - BOTTOM - TOP);
  for (const t of ticks(y0, y1, logY)) {
    svg.append(node("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: py(t), y2: py(t) }));
    svg.append(node("text", { x: LEFT - 4, y: py(t) + 3, "text-anchor": "end" }, t === 0 ? "0" : Math.abs(y1) < 0.01 ? t.toExponential(1) : t));
  }
  for (const t of ticks(x0, x1, log)) svg.append(node("text", { x: px(t), y: H - BOTTOM + 13, "text-anchor": "middle" }, t));
  svg.append(node("text", { x: (LEFT + W) / 2, y: H - 4, "text-anchor": "middle" }, xName));
  svg.append(node("text", { x: 11, y: (H - BOTTOM) / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${(H - BOTTOM) / 2})` }, yName));
  return { svg, px, py };
}

/** Values with error bars: points {x, y, low, high}; `line` is drawn under them, `shade` are stretches of x. */
export function chart(points, named, { line = [], shade = [] } = {}) {
  const known = points.filter((p) => p.y !== null);
  if (!known.length) return null;
  const xs = known.map((p) => p.x), lows = known.map((p) => p.low ?? p.y), highs = known.map((p) => p.high ?? p.y);
  const y0 = Math.min(0, ...lows), y1 = Math.max(...highs);
  const { svg, px, py } = axes([Math.min(...xs), Math.max(...xs)], [y0, y1 > y0 ? y1 : y0 + 1], named);
  for (const [from, to] of shade) {
    const left = Math.max(LEFT, px(from)), right = Math.min(W - RIGHT, px(to));
    if (right > left) svg.prepend(node("rect", { class: "good", x: left, width: right - left, y: TOP, height: H - BOTTOM - TOP }));
  }
  const drawn = line.filter((p) => p.y !== null);
  if (drawn.length) svg.append(node("polyline", { class: "behind", points: drawn.map((p) => `${px(p.x)},${py(p.y)}`).join(" ") }));
  for (const p of known) {
    svg.append(node("line", { class: "error", x1: px(p.x), x2: px(p.x), y1: py(p.low ?? p.y), y2: py(p.high ?? p.y) }));
    svg.append(node("circle", { class: "value", cx: px(p.x), cy: py(p.y), r: 2 }));
  }
  return svg;
}

/** Shares per bin of the selected against all, on the same bins. */
export function histogram(values, mask, [low, high], name, nBins = 30) {
  const all = new Float64Array(nBins), some = new Float64Array(nBins);
  let nAll = 0, nSome = 0;
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor(((values[i] - low) / (high - low)) * nBins);
    if (!(bin >= 0 && bin < nBins)) continue;
    all[bin]++;
    nAll++;
    if (mask[i]) {
      some[bin]++;
      nSome++;
    }
  }
  if (!nSome) return null;
  const most = Math.max(...all.map((v) => v / nAll), ...some.map((v) => v / nSome));
  const { svg, px, py } = axes([low, high], [0, most], { x: name, y: "share" });
  const edge = (i) => px(low + (i * (high - low)) / nBins);
  const outline = (counts, n) => [...counts].flatMap((v, i) => [`${edge(i)},${py(v / n)}`, `${edge(i + 1)},${py(v / n)}`]).join(" ");
  some.forEach((v, i) => v && svg.append(node("rect", { class: "bar", x: edge(i), width: edge(i + 1) - edge(i), y: py(v / nSome), height: py(0) - py(v / nSome) })));
  svg.append(node("polyline", { class: "behind", points: outline(all, nAll) }));
  return svg;
}

/** The colour of counts in a pixel or cell, by the logarithm: the more, the darker. */
const inkOf = (count, most) => `hsl(204 85% ${70 - 50 * (Math.log1p(count) / Math.log1p(most))}%)`;

/** Photons per cell of energy and time. */
export function photonMap({ counts, time_s, energy_kev }) {
  const ks = (t) => (t - time_s[0]) / 1000, most = Math.max(1, ...counts.map((row) => Math.max(...row)));
  const low = energy_kev[0], high = energy_kev[energy_kev.length - 1];
  const named = { x: `time since ${time_s[0].toFixed(0)} s [ks]; darker: more photons`, y: "energy [keV]", logY: true };
  const { svg, px, py } = axes([0, ks(time_s[time_s.length - 1])], [low, high], named);
  counts.forEach((row, j) => row.forEach((n, i) => {
    if (!n) return;
    const x = px(ks(time_s[i])), y = py(energy_kev[j + 1]);
    svg.append(node("rect", { x, y, width: px(ks(time_s[i + 1])) - x, height: py(energy_kev[j]) - y, fill: inkOf(n, most) }));
  }));
  return svg;
}

/** Counts per pixel, north up, with the source's region. */
export function image({ counts, region, x0, y0, pixel_arcsec: scale }) {
  const ny = counts.length, nx = counts[0].length, most = Math.max(1, ...counts.map((row) => Math.max(...row)));
  const canvas = document.createElement("canvas"), ink = canvas.getContext("2d"), zoom = Math.max(1, Math.floor(360 / nx));
  canvas.width = nx * zoom;
  canvas.height = ny * zoom;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Photons within ${((nx * scale) / 2).toFixed(0)} arcsec; north is up, east is left`);
  for (let j = 0; j < ny; j++) {
    for (let i = 0; i < nx; i++) {
      if (!counts[j][i]) continue;
      ink.fillStyle = inkOf(counts[j][i], most);
      ink.fillRect(i * zoom, (ny - 1 - j) * zoom, zoom, zoom);
    }
  }
  ink.strokeStyle = "#d55e00";
  ink.lineWidth = 1.5;
  ink.beginPath();
  // Anticlockwise from north: east is left.
  ink.ellipse((region.x - x0) * zoom, (ny - (region.y - y0)) * zoom, region.semi_minor * zoom, region.semi_major * zoom, (-region.angle_deg * Math.PI) / 180, 0, 7);
  ink.stroke();
  return canvas;
}
