// What the selected points are: how many, how they differ from all, their papers; and how to take them along.

import { askColumns, send, toTopcat } from "./answers.js";
import { histogram } from "./charts.js";
import { limits } from "./colours.js";
import { $, copy, make, save, table } from "./elements.js";

const MOST_LISTED = 2000;
const ENDINGS = { csv: "csv", votable: "vot", parquet: "parquet" };
const DETECTIONS = { relation: "csc.observation_source", id: "detection_id" }, PAPER = { relation: "lit.paper", id: "bibcode" };
const PAPERS = `SELECT p.bibcode, p.year, p.title, count(DISTINCT l.name) AS sources
FROM (SELECT DISTINCT o.name FROM selection JOIN csc.observation_source AS o USING (detection_id)) AS s
JOIN lit.confident_link AS l USING (name) JOIN lit.paper AS p USING (bibcode)
GROUP BY ALL ORDER BY sources DESC, p.year DESC LIMIT 20`;

// Words of titles and abstracts: how many papers about the selected have each, beside how many of the other papers have
// it. Half a paper is added on both sides, so that a word of one paper alone does not lead.
const WORDS = `WITH about AS (SELECT DISTINCT l.bibcode FROM selection JOIN csc.observation_source AS o USING (detection_id) JOIN lit.confident_link AS l USING (name)),
linked AS (SELECT DISTINCT bibcode FROM lit.confident_link),
word AS (SELECT DISTINCT bibcode, unnest(regexp_extract_all(lower(concat_ws(' ', title, abstract)), '[a-z][a-z-]{3,}')) AS word FROM lit.paper SEMI JOIN linked USING (bibcode)),
counted AS (SELECT word, count(*) FILTER (WHERE a.bibcode IS NOT NULL) AS here, count(*) FILTER (WHERE a.bibcode IS NULL) AS elsewhere
  FROM word LEFT JOIN about AS a USING (bibcode) GROUP BY word),
total AS (SELECT (SELECT count(*) FROM about) AS here, (SELECT count(*) FROM linked) - (SELECT count(*) FROM about) AS elsewhere)
SELECT word, c.here AS "papers about them", c.elsewhere AS "other papers",
  round(((c.here + 0.5) / (t.here + 1)) / ((c.elsewhere + 0.5) / (t.elsewhere + 1)), 1) AS "times as often"
FROM counted AS c, total AS t WHERE c.here >= 2 AND t.elsewhere > 0
ORDER BY "times as often" * sqrt(c.here) DESC, word LIMIT 15`;

/** SQL that gives the selected rows again, anywhere. */
export function asSql(ids, snapshot, { relation, id: column } = DETECTIONS) {
  const listed = ids.map((id) => `'${id.replaceAll("'", "''")}'`).join(", ");
  return `-- ${ids.length} rows of snapshot ${snapshot}\nSELECT * FROM ${relation}\nWHERE ${column} IN (${listed})`;
}

export function asPython(ids, snapshot, { relation, id: column } = DETECTIONS) {
  return `ids = ${JSON.stringify(ids)}\nrows = cat.sql("SELECT * FROM ${relation} WHERE list_contains($ids, ${column})", snapshot=${snapshot}, ids=ids).pl()`;
}

function classMix({ place, names }, mask) {
  const all = new Float64Array(names.length + 1), some = new Float64Array(names.length + 1);
  for (let i = 0; i < place.length; i++) {
    const c = place[i] < 0 ? names.length : place[i];
    all[c]++;
    if (mask[i]) some[c]++;
  }
  const nAll = place.length, nSome = some.reduce((a, b) => a + b, 0), percent = (v) => Number((100 * v).toFixed(1));
  const rows = [...names, "not known"].map((name, c) => [name, some[c], percent(some[c] / nSome), percent(all[c] / nAll)]);
  return table(["class", "selected", "% of selected", "% of all"], rows.filter((r) => r[1]));
}

/** Show a selection. @param {{space, ofPapers, mask, n, texts, snapshot, column, key, clear}} about */
export function showSelection({ space, ofPapers, mask, n, texts, snapshot, column, key, clear }) {
  const of = ofPapers ? PAPER : DETECTIONS, allColumns = `SELECT o.* FROM selection JOIN ${of.relation} AS o USING (${of.id})`;
  const box = make("section", null, { className: "selected" }), buttons = make("p", null, { className: "buttons" });
  const said = make("p", "", { className: "none", role: "status" });
  const button = (name, act) => {
    const made = make("button", name, { type: "button" });
    made.addEventListener("click", () => act(made).catch((error) => (said.textContent = error.message)));
    buttons.append(made);
  };
  const ids = () => {
    if (n > MOST_LISTED) throw new Error(`more than ${MOST_LISTED.toLocaleString("en")} rows are too many to list; save them, and register the file: cat.register("mine", "selection.parquet")`);
    return [...mask.keys()].filter((i) => mask[i]).map((i) => texts.at(i));
  };
  for (const format of Object.keys(ENDINGS)) {
    button(`save ${format}`, async () => save(await (await send("api/save", { query: allColumns, selection: await key(), format })).blob(), `selection.${ENDINGS[format]}`));
  }
  button("send to TOPCAT", async () => {
    said.textContent = "sending…";
    said.textContent = await toTopcat(allColumns, await key());
  });
  button("copy SQL", async (b) => copy(asSql(ids(), snapshot, of), b));
  button("copy Python", async (b) => copy(asPython(ids(), snapshot, of), b));
  button("clear", async () => clear());
  box.append(make("h2", `${n.toLocaleString("en")} selected of ${mask.length.toLocaleString("en")}`), buttons, said);
  box.append(make("p", `In the SQL box they are the relation selection (${of.id}).`, { className: "none" }));

  const label = make("label", "column "), input = make("input", null, { value: column, size: 16 }), drawn = make("div");
  input.setAttribute("list", "columns");
  label.append(input);
  const draw = async () => {
    try {
      const { value, class: place, notes } = await askColumns("api/values", { space, column: input.value.trim(), snapshot });
      if (value) {
        const named = `${input.value}${notes.unit ? ` [${notes.unit}]` : ""}; bars: selected, line: all`;
        drawn.replaceChildren(histogram(value, mask, limits(value), named) || make("p", "no values here", { className: "none" }));
      } else drawn.replaceChildren(classMix({ place, names: notes.classes }, mask));
    } catch (error) {
      drawn.replaceChildren(make("p", error.message, { className: "error" }));
    }
  };
  input.addEventListener("change", draw);
  box.append(make("h3", "against all"), label, drawn);
  if (column !== "otype") {
    const mix = make("div");
    box.append(make("h3", "types of SIMBAD"), mix);
    askColumns("api/values", { space, column: "otype", snapshot }).then((c) => mix.replaceChildren(classMix({ place: c.class, names: c.notes.classes }, mask))).catch(() => {});
  }
  if (!ofPapers) {
    const papers = make("div", "…"), words = make("div", "…"), selection = key();
    const fill = (place, query) => selection.then((k) => send("api/sql", { query, selection: k })).then((a) => a.json())
      .then(({ columns, rows }) => place.replaceChildren(rows.length ? table(columns, rows) : make("p", "none in this store", { className: "none" })))
      .catch((error) => place.replaceChildren(make("p", error.message, { className: "error" })));
    box.append(make("h3", "papers about them"), papers, make("h3", "words that set their papers apart"), words);
    fill(papers, PAPERS).then(() => fill(words, WORDS));
  }
  $("detail").replaceChildren(box);
  draw();
}

/** Hand the bits of a selection to the server; returns the key that queries name it by. */
export async function keep(space, mask, snapshot) {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i++) if (mask[i]) bits[i >> 3] |= 1 << (i & 7);
  return (await (await send(`api/select?${new URLSearchParams({ space, snapshot })}`, bits, "application/octet-stream")).json()).selection;
}
