"use strict";
// What is drawn: points on a canvas, small charts as SVG. No library: a hundred thousand points are one image.

const CLASS_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d31", "#6a51a3", "#b8860b", "#7f7f7f", "#17877d", "#a50f15"];
const NO_VALUE = "#b6bec7";
// Cividis, sampled: even in lightness, the same to the colour-blind.
const RAMP = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];

/** Return the quantile limits of numbers, nulls left out. */
function limits(values) {
  const known = values.filter((v) => v !== null).sort((a, b) => a - b);
  if (!known.length) return [0, 1];
  const at = (q) => known[Math.min(known.length - 1, Math.floor(q * known.length))];
  const [low, high] = [at(0.02), at(0.98)];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** Return a colour index per point: RAMP or CLASS_COLOURS, -1 for no value. */
function colourIndex(colours) {
  if (!colours) return null;
  if (colours.classes) return colours.values.map((v) => (v === null || v < 0 ? -1 : v));
  const [low, high] = limits(colours.values);
  return colours.values.map((v) => (v === null ? -1 : Math.max(0, Math.min(RAMP.length - 1, Math.floor(((v - low) / (high - low)) * RAMP.length)))));
}

/** A pannable map of points. */
class PointMap {
  constructor(canvas, onPick, onHover) {
    Object.assign(this, { canvas, onPick, onHover, map: null, index: null, palette: RAMP, marked: [], chosen: -1 });
    this.view = { x: 0, y: 0, scale: 1 };
    canvas.addEventListener("wheel", (e) => this.zoom(e), { passive: false });
    canvas.addEventListener("pointerdown", (e) => this.press(e));
    canvas.addEventListener("pointermove", (e) => this.move(e));
    canvas.addEventListener("pointerup", (e) => this.release(e));
    canvas.addEventListener("pointerleave", () => onHover(-1));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(map) {
    this.map = map;
    this.index = null;
    this.marked = [];
    this.chosen = -1;
    this.view = { x: 0, y: 0, scale: 1 };
    this.place = new Map(map.ids.map((id, i) => [id, i]));
    this.draw();
  }

  colour(colours) {
    this.index = colourIndex(colours);
    this.palette = colours && colours.classes ? CLASS_COLOURS : RAMP;
    this.draw();
  }

  mark(ids, chosen) {
    this.marked = ids.map((id) => this.place.get(id)).filter((i) => i !== undefined);
    const at = this.place.get(chosen);
    this.chosen = at === undefined ? -1 : at;
    this.draw();
  }

  frame() {
    const w = this.canvas.clientWidth, h = this.canvas.clientHeight;
    const half = (Math.min(w, h) / 2 / 1.3) * this.view.scale;
    return { w, h, half, cx: w / 2 + this.view.x, cy: h / 2 + this.view.y };
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  /** Draw all points into an image of their own: rings come and go with every click, the points stay. */
  points(ratio) {
    const { w, h, half, cx, cy } = this.frame();
    const key = [w, h, ratio, half, cx, cy].join();
    if (this.image && this.drawn.key === key && this.drawn.map === this.map && this.drawn.index === this.index) return this.image;
    this.drawn = { key, map: this.map, index: this.index };
    this.image = this.image || document.createElement("canvas");
    this.image.width = w * ratio;
    this.image.height = h * ratio;
    const ink = this.image.getContext("2d");
    ink.scale(ratio, ratio);
    const { x, y } = this.map, n = x.length;
    const size = n > 20000 ? 1.6 : n > 3000 ? 2.6 : 4;
    ink.globalAlpha = n > 20000 ? 0.6 : 0.8;
    // One colour at a time: changing the style costs more than drawing.
    const groups = new Map();
    for (let i = 0; i < n; i++) {
      const px = cx + x[i] * half, py = cy - y[i] * half;
      if (px < -4 || py < -4 || px > w + 4 || py > h + 4) continue;
      const c = this.index ? this.index[i] : -1;
      if (!groups.has(c)) groups.set(c, []);
      groups.get(c).push(px, py);
    }
    for (const c of [...groups.keys()].sort((a, b) => a - b)) {
      ink.fillStyle = c < 0 ? NO_VALUE : this.palette[c % this.palette.length];
      const at = groups.get(c);
      for (let i = 0; i < at.length; i += 2) ink.fillRect(at[i] - size / 2, at[i + 1] - size / 2, size, size);
    }
    return this.image;
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const { w, h, half, cx, cy } = this.frame();
    this.canvas.width = w * ratio;
    this.canvas.height = h * ratio;
    if (!this.map || !this.canvas.width || !this.canvas.height) return;
    const ink = this.canvas.getContext("2d");
    ink.drawImage(this.points(ratio), 0, 0);
    ink.scale(ratio, ratio);
    const { x, y } = this.map;
    const ring = (i, colour, r) => {
      ink.strokeStyle = colour;
      ink.lineWidth = 2;
      ink.beginPath();
      ink.arc(cx + x[i] * half, cy - y[i] * half, r, 0, 7);
      ink.stroke();
    };
    for (const i of this.marked) ring(i, "#0b6e99", 5);
    if (this.chosen >= 0) ring(this.chosen, "#b3261e", 8);
  }

  nearest(e) {
    if (!this.map) return -1;
    const box = this.canvas.getBoundingClientRect();
    const { half, cx, cy } = this.frame();
    const mx = e.clientX - box.left, my = e.clientY - box.top;
    let best = 144, found = -1;
    const { x, y } = this.map;
    for (let i = 0; i < x.length; i++) {
      const dx = cx + x[i] * half - mx, dy = cy - y[i] * half - my, d = dx * dx + dy * dy;
      if (d < best) [best, found] = [d, i];
    }
    return found;
  }

  zoom(e) {
    e.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    const factor = Math.exp(-e.deltaY * 0.0015), { w, h } = this.frame();
    const mx = e.clientX - box.left - w / 2, my = e.clientY - box.top - h / 2;
    this.view.x = mx - (mx - this.view.x) * factor;
    this.view.y = my - (my - this.view.y) * factor;
    this.view.scale *= factor;
    this.draw();
  }

  press(e) {
    this.held = { x: e.clientX, y: e.clientY, far: false };
    this.canvas.setPointerCapture(e.pointerId);
  }

  move(e) {
    if (!this.held) return this.onHover(this.nearest(e), e);
    const dx = e.clientX - this.held.x, dy = e.clientY - this.held.y;
    if (!this.held.far && Math.hypot(dx, dy) < 4) return;
    Object.assign(this.held, { x: e.clientX, y: e.clientY, far: true });
    this.view.x += dx;
    this.view.y += dy;
    this.onHover(-1);
    this.draw();
  }

  release(e) {
    const clicked = this.held && !this.held.far;
    this.held = null;
    const i = clicked ? this.nearest(e) : -1;
    if (i >= 0) this.onPick(this.map.ids[i]);
  }
}

const SVG = "http://www.w3.org/2000/svg";
function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) made.setAttribute(k, v);
  if (text !== undefined) made.textContent = text;
  return made;
}

function ticks(low, high, log) {
  if (log) return [0.1, 0.2, 0.5, 1, 2, 5, 10].filter((t) => t >= low && t <= high);
  const step = 10 ** Math.floor(Math.log10((high - low) / 3 || 1));
  const wide = [1, 2, 5, 10].map((m) => m * step).find((s) => (high - low) / s <= 5) || step;
  const out = [];
  for (let t = Math.ceil(low / wide) * wide; t <= high + 1e-12; t += wide) out.push(Number(t.toPrecision(6)));
  return out;
}

/** Return a chart of values with error bars: points {x, y, low, high}; axes named with their units. */
function chart(points, { x: xName, y: yName, log = false }) {
  const W = 380, H = 190, left = 62, bottom = 34, top = 8, right = 8;
  const known = points.filter((p) => p.y !== null);
  const svg = node("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${yName} over ${xName}` });
  if (!known.length) return svg;
  const fx = log ? Math.log : (v) => v;
  const xs = known.map((p) => p.x), lows = known.map((p) => p.low ?? p.y), highs = known.map((p) => p.high ?? p.y);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let [y0, y1] = [Math.min(0, ...lows), Math.max(...highs)];
  if (y1 <= y0) y1 = y0 + 1;
  const px = (v) => left + ((fx(v) - fx(x0)) / (fx(x1) - fx(x0) || 1)) * (W - left - right);
  const py = (v) => H - bottom - ((v - y0) / (y1 - y0)) * (H - bottom - top);
  for (const t of ticks(y0, y1, false)) {
    svg.append(node("line", { class: "axis", x1: left, x2: W - right, y1: py(t), y2: py(t) }));
    svg.append(node("text", { x: left - 4, y: py(t) + 3, "text-anchor": "end" }, t === 0 ? "0" : y1 < 0.01 ? t.toExponential(1) : t));
  }
  for (const t of ticks(x0, x1, log)) svg.append(node("text", { x: px(t), y: H - bottom + 13, "text-anchor": "middle" }, t));
  svg.append(node("text", { x: (left + W) / 2, y: H - 4, "text-anchor": "middle" }, xName));
  svg.append(node("text", { x: 11, y: (H - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${(H - bottom) / 2})` }, yName));
  for (const p of known) {
    svg.append(node("line", { class: "error", x1: px(p.x), x2: px(p.x), y1: py(p.low ?? p.y), y2: py(p.high ?? p.y) }));
    svg.append(node("circle", { class: "value", cx: px(p.x), cy: py(p.y), r: 2 }));
  }
  return svg;
}
