// The address holds the whole state: spaces, colour, zoom, selection, source, snapshot. A colleague who opens it sees the same.

const DIGITS = 5;
const short = (v) => Number(v.toPrecision(DIGITS)).toString();
const written = ({ view, mode, points }) => [view, mode, points.map(([x, y]) => `${short(x)},${short(y)}`).join(" ")].join("|");

function read(text) {
  const [view, mode, points] = text.split("|");
  return { view, mode, points: (points || "").split(" ").map((p) => p.split(",").map(Number)).filter((p) => p.length === 2 && p.every(Number.isFinite)) };
}

/** @returns what the address asks for: texts by name, `shapes` as a list. */
export function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1)), asked = Object.fromEntries(given);
  asked.shapes = given.getAll("shape").map(read).filter((s) => s.points.length > 2);
  return asked;
}

/** Write the state into the address; nothing is added to the browser's history. */
export function writeAddress({ shapes, ...state }) {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value !== "" && value !== null && value !== undefined) made.set(name, value);
  for (const shape of shapes) made.append("shape", written(shape));
  history.replaceState(null, "", `#${made}`);
}

export const viewText = ({ x, y, zoom }) => [x, y, zoom].map(short).join(",");

export function viewOf(text) {
  const [x, y, zoom] = (text || "").split(",").map(Number);
  return [x, y, zoom].every(Number.isFinite) && zoom > 0 ? { x, y, zoom } : null;
}
