// Asks the server; arrays come as they lie in memory, everything else as JSON.

async function failed(answer) {
  let said = `the server answered ${answer.status}`;
  try {
    said = (await answer.json()).error || said;
  } catch {
    // no JSON: the number has to do
  }
  return new Error(said);
}

/** @param {string} path @param {Record<string, string>} [given] */
export async function ask(path, given) {
  const answer = await fetch(given ? `${path}?${new URLSearchParams(given)}` : path);
  if (!answer.ok) throw await failed(answer);
  return answer.json();
}

/** Send JSON, or bytes where `type` says so. Returns the answer, to be read as one likes. */
export async function send(path, body, type = "application/json") {
  const content = type === "application/json" ? JSON.stringify(body) : body;
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": type }, body: content });
  if (!answer.ok) throw await failed(answer);
  return answer;
}

/** Send the whole answer of a query to TOPCAT, or what else takes tables on this machine. Returns what to say of it. */
export async function toTopcat(query, selection) {
  const { sent, rows } = await (await send("api/samp", { query, selection })).json();
  return `${rows.toLocaleString("en")} rows sent to ${sent.join(", ")}`;
}

const KINDS = { float32: Float32Array, int8: Int8Array, int32: Int32Array, uint8: Uint8Array };

/** Ask for arrays: an object with each by its name, and `notes`, what the server says of them. */
export async function askColumns(path, given) {
  const answer = await fetch(`${path}?${new URLSearchParams(given)}`);
  if (!answer.ok) throw await failed(answer);
  const buffer = await answer.arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const { arrays, ...notes } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const made = { notes };
  for (const { name, type, length: n, at } of arrays) made[name] = new KINDS[type](buffer, 4 + length + at, n);
  return made;
}

/** Many texts in one array; each is decoded when it is asked for. */
export class Texts {
  constructor(offsets, bytes) {
    this.offsets = offsets;
    this.bytes = bytes;
    this.decoder = new TextDecoder();
  }

  get length() {
    return this.offsets.length - 1;
  }

  at(i) {
    return this.decoder.decode(this.bytes.subarray(this.offsets[i], this.offsets[i + 1]));
  }

  /** Return the number of each row by its text; made at the first call. */
  get places() {
    this.found ??= new Map(Array.from({ length: this.length }, (_, i) => [this.at(i), i]));
    return this.found;
  }
}
