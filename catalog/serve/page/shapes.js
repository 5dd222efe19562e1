// Plane and sky: which points a polygon holds, and the whole sky on a page.

/** Tell of each point whether it is inside a polygon, as 0 or 1. @param {[number, number][]} polygon */
export function inside(polygon, x, y) {
  const n = polygon.length, held = new Uint8Array(x.length);
  const xs = Float64Array.from(polygon, (p) => p[0]), ys = Float64Array.from(polygon, (p) => p[1]);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (let i = 0; i < x.length; i++) {
    const a = x[i], b = y[i];
    if (!(a >= x0 && a <= x1 && b >= y0 && b <= y1)) continue; // NaN is nowhere
    let odd = 0;
    for (let j = 0, k = n - 1; j < n; k = j++) {
      if (ys[j] > b !== ys[k] > b && a < ((xs[k] - xs[j]) * (b - ys[j])) / (ys[k] - ys[j]) + xs[j]) odd ^= 1;
    }
    held[i] = odd;
  }
  return held;
}

/** Put a position on the map of the whole sky (Hammer): east is left, 0h in the middle, within -1...1. */
export function onSky(ra, dec) {
  const lon = ((((ra + 180) % 360) + 360) % 360) - 180, half = (-lon * Math.PI) / 360, lat = (dec * Math.PI) / 180;
  const z = Math.sqrt(1 + Math.cos(lat) * Math.cos(half));
  return [(Math.cos(lat) * Math.sin(half)) / z, Math.sin(lat) / z / 2];
}

/** Lines of equal right ascension and declination, as lists of points. */
export function skyGrid() {
  const lines = [];
  for (let ra = 0; ra <= 360; ra += 60) {
    const at = ra === 180 ? 179.999 : ra === 360 ? 180.001 : ra;
    lines.push(Array.from({ length: 61 }, (_, i) => onSky(at, -90 + 3 * i)));
  }
  for (let dec = -60; dec <= 60; dec += 30) lines.push(Array.from({ length: 121 }, (_, i) => onSky(180.001 + i * 2.99998, dec)));
  return lines;
}

const two = (v) => String(v).padStart(2, "0");

/** Write degrees in sixtieths, to 0.1 arcsec. */
export function sexagesimal(ra, dec) {
  const thousandths = Math.round((((ra % 360) + 360) % 360) * 240000) % 86400000;
  const s = thousandths % 60000, m = Math.floor(thousandths / 60000);
  const arc = Math.round(Math.abs(dec) * 36000), t = arc % 600, minutes = Math.floor(arc / 600);
  const right = `${two(Math.floor(m / 60))}:${two(m % 60)}:${(s / 1000).toFixed(3).padStart(6, "0")}`;
  return `${right} ${dec < 0 ? "−" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${(t / 10).toFixed(1).padStart(4, "0")}`;
}
