// A map of points that one can pan, zoom and lasso. All points are added up in one buffer of counts and colours:
// where several overlap, the pixel gets darker and its colour is mixed by their share. Millions need no WebGL.

import { NO_VALUE, rgb } from "./colours.js";

const DIM = rgb(NO_VALUE), PLAIN = rgb("#0072b2");
const REACH = 12; // pixels from the pointer to the nearest point
const FAINTEST = 130; // of 255: a pixel with one point
const EDGE = rgb("#b3261e"), EDGE_SIZE = 2;

export class PointMap {
  /** @param {HTMLCanvasElement} canvas @param {{onPick, onHover, onShape, onView}} told what the map tells */
  constructor(canvas, told) {
    Object.assign(this, { canvas, told, x: new Float32Array(0), y: new Float32Array(0), colours: null, mask: null, wider: null, opacity: 1 });
    Object.assign(this, { marked: [], chosen: -1, tool: "pan", shape: null, grid: [], view: { x: 0, y: 0, zoom: 1 }, outside: 0 });
    canvas.tabIndex = 0;
    canvas.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    canvas.addEventListener("pointerdown", (e) => this.press(e));
    canvas.addEventListener("pointermove", (e) => this.move(e));
    canvas.addEventListener("pointerup", (e) => this.release(e));
    canvas.addEventListener("pointerleave", () => told.onHover(-1));
    canvas.addEventListener("keydown", (e) => this.key(e));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Show other points: x and y of each row, NaN for none; lines behind them. */
  show(x, y, grid = []) {
    Object.assign(this, { x, y, grid, stale: true });
    this.draw();
  }

  /** Colour them: an index per row (-1 no value, -2 hidden) and the colour of each index. */
  colour(colours) {
    Object.assign(this, { colours, stale: true });
    this.draw();
  }

  /** Make points wider: pixels to add per row, null for all alike. */
  widen(wider) {
    Object.assign(this, { wider, stale: true });
    this.draw();
  }

  /** Let the ground shine through: 1 for as dark as can be. */
  fade(opacity) {
    Object.assign(this, { opacity, stale: true });
    this.draw();
  }

  /** Tell which rows are selected, as 0 or 1; null for no selection. */
  select(mask) {
    Object.assign(this, { mask, stale: true });
    this.draw();
  }

  /** Ring some rows, and one more. */
  mark(rows, chosen = -1) {
    Object.assign(this, { marked: rows, chosen });
    this.draw();
  }

  lookAt(view) {
    Object.assign(this.view, view);
    this.draw();
  }

  /** Look at all points, or at the middle 98 %, as at first. */
  fit(all) {
    if (!all) return this.lookAt({ x: 0, y: 0, zoom: 1 });
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < this.x.length; i++) {
      if (this.x[i] < x0) x0 = this.x[i];
      if (this.x[i] > x1) x1 = this.x[i];
      if (this.y[i] < y0) y0 = this.y[i];
      if (this.y[i] > y1) y1 = this.y[i];
    }
    if (!(x1 >= x0)) return;
    const w = this.canvas.clientWidth, h = this.canvas.clientHeight, half = Math.min(w, h) / 2 / 1.3;
    const zoom = Math.min((w * 0.94) / ((x1 - x0) * half || 1), (h * 0.94) / ((y1 - y0) * half || 1), 1);
    this.lookAt({ x: (x0 + x1) / 2, y: (y0 + y1) / 2, zoom });
  }

  /** Where things are on the canvas, in CSS pixels: `px(x)`, `py(y)`, and back. */
  frame() {
    const w = this.canvas.clientWidth, h = this.canvas.clientHeight, half = (Math.min(w, h) / 2 / 1.3) * this.view.zoom;
    const cx = w / 2 - this.view.x * half, cy = h / 2 + this.view.y * half;
    return { w, h, half, cx, cy, px: (x) => cx + x * half, py: (y) => cy - y * half, x: (px) => (px - cx) / half, y: (py) => (cy - py) / half };
  }

  draw() {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  paint() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2), frame = this.frame();
    const W = Math.round(frame.w * ratio), H = Math.round(frame.h * ratio);
    if (!W || !H) return;
    const key = [W, H, frame.half, frame.cx, frame.cy].join();
    if (this.stale || this.key_ !== key) {
      this.image = this.add(W, H, ratio, frame);
      Object.assign(this, { stale: false, key_: key });
      this.told.onView?.();
    }
    this.canvas.width = W;
    this.canvas.height = H;
    const ink = this.canvas.getContext("2d");
    ink.putImageData(this.image, 0, 0);
    ink.scale(ratio, ratio);
    this.lines(ink, frame);
  }

  /** Add all points up, and make an image of it. */
  add(W, H, ratio, { half, cx, cy }) {
    const n = this.x.length, { x, y, mask, wider, opacity } = this, index = this.colours?.index, palette = this.colours?.palette ?? [];
    const sums = new Float32Array(W * H * 4), size = Math.round((n > 50000 ? 1 : n > 5000 ? 2 : n > 1000 ? 3 : 5) * ratio);
    // Colours in one array: of the palette, then of no value, of rows that are not selected, and of the edge.
    const [noValue, dim, edge, plain] = [0, 1, 2, 3].map((k) => palette.length + k);
    const ink = Float32Array.from([...palette, DIM, DIM, EDGE, PLAIN].flat());
    const a = half * ratio, bx = cx * ratio, by = cy * ratio;
    let outside = 0;
    for (let i = 0; i < n; i++) {
      const u = bx + x[i] * a, v = by - y[i] * a, c = index ? index[i] : 0;
      if (u !== u || v !== v || c === -2) continue;
      const across = wider ? size + Math.round(wider[i] * ratio) : size, before = across >> 1, after = across - before;
      let colour = index ? (c < 0 ? noValue : c) : plain, weight = c === -1 ? 0.5 : 1, wide = 0;
      if (mask && !mask[i]) {
        colour = dim;
        weight = 0.12;
      }
      let px = Math.floor(u), py = Math.floor(v);
      if (px < 0 || py < 0 || px >= W || py >= H) {
        outside++; // drawn at the edge, and as such: few, and not to be overlooked
        px = Math.max(0, Math.min(W - 1, px));
        py = Math.max(0, Math.min(H - 1, py));
        colour = edge;
        wide = EDGE_SIZE;
      }
      const r = ink[3 * colour] * weight, g = ink[3 * colour + 1] * weight, b = ink[3 * colour + 2] * weight;
      const left = Math.max(0, px - before - wide), right = Math.min(W, px + after + wide), bottom = Math.min(H, py + after + wide);
      for (let row = Math.max(0, py - before - wide); row < bottom; row++) {
        for (let k = (row * W + left) * 4, end = (row * W + right) * 4; k < end; k += 4) {
          sums[k] += r;
          sums[k + 1] += g;
          sums[k + 2] += b;
          sums[k + 3] += weight;
        }
      }
    }
    this.outside = outside;
    let most = 1;
    for (let k = 3; k < sums.length; k += 4) if (sums[k] > most) most = sums[k];
    const image = new ImageData(W, H), out = image.data, scale = (255 - FAINTEST) / Math.log1p(most);
    for (let k = 0; k < sums.length; k += 4) {
      const weight = sums[k + 3];
      if (!weight) continue;
      out[k] = sums[k] / weight;
      out[k + 1] = sums[k + 1] / weight;
      out[k + 2] = sums[k + 2] / weight;
      out[k + 3] = opacity * Math.min(255, FAINTEST * Math.min(1, 2 * weight) + scale * Math.log1p(weight));
    }
    return image;
  }

  /** Draw what lies over the points: the grid, rings, and the shape that is being drawn. */
  lines(ink, { px, py }) {
    const style = getComputedStyle(this.canvas), path = (points) => points.forEach(([x, y], i) => ink[i ? "lineTo" : "moveTo"](px(x), py(y)));
    ink.strokeStyle = style.getPropertyValue("--line");
    for (const line of this.grid) {
      ink.beginPath();
      path(line);
      ink.stroke();
    }
    const ring = (i, colour, r) => {
      ink.strokeStyle = colour;
      ink.lineWidth = 2;
      ink.beginPath();
      ink.arc(px(this.x[i]), py(this.y[i]), r, 0, 7);
      ink.stroke();
    };
    for (const i of this.marked) ring(i, style.getPropertyValue("--own"), 5);
    if (this.chosen >= 0) ring(this.chosen, style.getPropertyValue("--mark"), 8);
    if (!this.shape) return;
    ink.strokeStyle = style.getPropertyValue("--ink");
    ink.setLineDash([5, 4]);
    ink.lineWidth = 1.5;
    ink.beginPath();
    path(this.shape.points);
    ink.closePath();
    ink.stroke();
  }

  at(e) {
    const box = this.canvas.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  }

  nearest(e) {
    const [mx, my] = this.at(e), { half, cx, cy } = this.frame(), { x, y } = this, index = this.colours?.index;
    let best = REACH * REACH, found = -1;
    for (let i = 0; i < x.length; i++) {
      const dx = cx + x[i] * half - mx;
      if (!(dx > -REACH && dx < REACH)) continue;
      const dy = cy - y[i] * half - my, d = dx * dx + dy * dy;
      if (d < best && !(index && index[i] === -2)) [best, found] = [d, i];
    }
    return found;
  }

  /** Zoom by a factor about a place on the canvas. */
  zoom(factor, mx = this.canvas.clientWidth / 2, my = this.canvas.clientHeight / 2) {
    const before = this.frame(), [x, y] = [before.x(mx), before.y(my)];
    this.view.zoom = Math.max(1e-4, Math.min(1e5, this.view.zoom * factor));
    const after = this.frame();
    this.view.x += x - after.x(mx);
    this.view.y += y - after.y(my);
    this.draw();
  }

  wheel(e) {
    e.preventDefault();
    this.zoom(Math.exp(-e.deltaY * 0.0015), ...this.at(e));
  }

  press(e) {
    const [mx, my] = this.at(e), { x, y } = this.frame();
    this.held = { mx, my, view: { ...this.view }, far: false, mode: e.shiftKey ? "add" : e.altKey ? "remove" : "" };
    if (this.tool !== "pan") this.held.shape = { points: [[x(mx), y(my)]] };
    this.canvas.setPointerCapture(e.pointerId);
  }

  move(e) {
    if (!this.held) {
      this.hovering ||= requestAnimationFrame(() => {
        this.hovering = 0;
        this.told.onHover(this.nearest(e), e);
      });
      return;
    }
    const [mx, my] = this.at(e), { held } = this, { half, x, y } = this.frame();
    if (!held.far && Math.hypot(mx - held.mx, my - held.my) < 4) return;
    held.far = true;
    this.told.onHover(-1);
    if (this.tool === "pan") return this.lookAt({ x: held.view.x - (mx - held.mx) / half, y: held.view.y + (my - held.my) / half });
    this.shape = held.shape;
    const { points } = this.shape;
    if (this.tool === "box") {
      const [[x0, y0]] = points;
      this.shape.points = [[x0, y0], [x(mx), y0], [x(mx), y(my)], [x0, y(my)]];
    } else {
      const last = points.at(-1);
      if (Math.hypot(last[0] - x(mx), last[1] - y(my)) * half > 3) points.push([x(mx), y(my)]);
    }
    this.draw();
  }

  release(e) {
    const { held, shape } = this;
    Object.assign(this, { held: null, shape: null });
    if (!held) return;
    if (!held.far) {
      const i = this.nearest(e);
      if (i >= 0) this.told.onPick(i);
    } else if (shape && shape.points.length > 2) {
      this.told.onShape(shape.points, held.mode);
    }
    this.draw();
  }

  key(e) {
    const step = 0.15 / this.view.zoom, moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[e.key]) this.lookAt({ x: this.view.x + moves[e.key][0], y: this.view.y + moves[e.key][1] });
    else if (e.key === "+" || e.key === "=") this.zoom(1.25);
    else if (e.key === "-") this.zoom(0.8);
    else if (e.key === "0") this.fit(false);
    else if (e.key === "a") this.fit(true);
    else return;
    e.preventDefault();
  }
}
