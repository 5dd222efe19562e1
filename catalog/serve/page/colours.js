// Colours of points: classes, or numbers along a ramp. The same palette as in reports and notebooks.

export const CLASS_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d31", "#6a51a3", "#b8860b", "#7f7f7f", "#17877d", "#a50f15"];
export const NO_VALUE = "#b6bec7";
// Cividis, sampled: even in lightness, the same to the colour-blind.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const N_RAMP = 64;

export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

const RAMP = Array.from({ length: N_RAMP }, (_, i) => {
  const at = (i / (N_RAMP - 1)) * (CIVIDIS.length - 1), k = Math.min(Math.floor(at), CIVIDIS.length - 2), part = at - k;
  const [a, b] = [rgb(CIVIDIS[k]), rgb(CIVIDIS[k + 1])];
  return a.map((v, j) => v + part * (b[j] - v));
});
export const GRADIENT = `linear-gradient(90deg, ${CIVIDIS.join(",")})`;

/** Return the 2 % and 98 % quantiles of numbers, NaN left out; of a sample where there are many. */
export function limits(values) {
  const step = Math.max(1, Math.floor(values.length / 50000)), known = [];
  for (let i = 0; i < values.length; i += step) if (values[i] === values[i]) known.push(values[i]);
  known.sort((a, b) => a - b);
  if (!known.length) return [0, 1];
  const at = (q) => known[Math.min(known.length - 1, Math.floor(q * known.length))];
  const [low, high] = [at(0.02), at(0.98)];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** Colours of classes: an index per point (-1 none known, -2 hidden), and a colour for each index. */
export function ofClasses(place, names, hidden = new Set()) {
  const index = hidden.size ? place.map((c) => (hidden.has(c) ? -2 : c)) : place;
  return { index, palette: names.map((name, i) => rgb(name === "others" ? NO_VALUE : CLASS_COLOURS[i % CLASS_COLOURS.length])) };
}

/** Colours of numbers between two limits, along the ramp. */
export function ofNumbers(values, low, high, log = false) {
  const f = log ? Math.log : (v) => v, a = f(low), scale = (N_RAMP - 1) / (f(high) - a || 1), index = new Int8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const at = (f(values[i]) - a) * scale;
    index[i] = at === at ? Math.max(0, Math.min(N_RAMP - 1, at)) : log && values[i] <= 0 ? 0 : -1;
  }
  return { index, palette: RAMP };
}
