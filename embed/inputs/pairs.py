"""The input of the aligned space: a detection's vectors, and one pooled vector of the papers about its source.

The rows are read from the spaces themselves, at the versions that the snapshot pins: whoever runs the query registers
each of `spaces(modality)` under `relation(space)`. What tells whether a row has changed is told by the store alone.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from embed.inputs.papers import STATED, as_written, beside, per_source
from embed.inputs.pooling import POOLINGS
from embed.inputs.prepared import Prepared, ids_and_names

DATA_SPACES: dict[str, tuple[str, ...]] = {
    "events": ("events",),
    "spectrum": ("spectrum",),
    "properties": ("properties",),
    "events-spectrum": ("events", "spectrum"),
}
"""What may be aligned with papers: model of the aligned space -> spaces whose vectors stand side by side."""
TEXT_SPACE = "papers"
VERSION = 5  # 5: papers without exposures; an encoder of before learned from them


def modality(model: str) -> str:
    """Return the modality of pairs of a model's data with papers.

    Examples
    --------
    >>> modality("events")
    'events+papers'
    """
    return f"{model}+{TEXT_SPACE}"


def relation(space: str) -> str:
    """Return the name under which a space's vectors are to be registered.

    Examples
    --------
    >>> relation("events")
    '__space_events'
    """
    return f"__space_{space}"


# The detections that have a vector in every data space, made by the encoder that the snapshot pins.
def _chosen(spaces: tuple[str, ...]) -> str:
    first, *others = spaces
    joins = "".join(
        f" JOIN made AS {s} ON {s}.space = '{s}' AND {s}.id = {first}.id AND {s}.skipped IS NULL" for s in others
    )
    inputs = ", ".join(f"{s}.encoder_id, {s}.input_sha256" for s in spaces)
    return f"""
  SELECT {first}.id, coalesce(o.name, {first}.name) AS name, concat_ws(',', {inputs}) AS data_inputs
  FROM made AS {first}{joins} LEFT JOIN csc.observation_source AS o ON o.detection_id = {first}.id
  WHERE {first}.space = '{first}' AND {first}.skipped IS NULL AND {first}.id IN (SELECT id FROM {{selected}})"""


_MADE = """
  SELECT m.space, m.id, m.name, m.encoder_id, m.input_sha256, m.skipped
  FROM meta.embedded AS m JOIN meta.space AS s ON s.space = m.space AND s.encoder_id = m.encoder_id"""
_LINKED = "SELECT name, bibcode FROM lit.confident_link WHERE name IN (SELECT name FROM chosen)"


# One that came with the program was trained on no snapshot of this store.
_SEEN = """CASE WHEN e.snapshot IS NULL THEN 'nothing of this store'
      WHEN e.configuration ->> '$.training.options.apart' = 'true' THEN 'all but those of seed ' || e.seed
      ELSE 'all' END"""


def rows_sql(spaces: tuple[str, ...]) -> str:
    """Return the SQL of the rows: id, name, data (a list of numbers), papers, the encoders of both, what was seen."""
    data = " || ".join(f"d_{s}.vector::FLOAT[]" for s in spaces)
    joins = "\n".join(f"JOIN {relation(s)} AS d_{s} ON d_{s}.id = c.id" for s in spaces)
    encoders = ", ".join(f"'{s}'" for s in (*spaces, TEXT_SPACE))
    return f"""
WITH made AS ({_MADE}), chosen AS ({_chosen(spaces)}), linked AS ({_LINKED}),
learned_from AS (
  SELECT map_from_entries(list((s.space, s.encoder_id) ORDER BY s.space)) AS learned_from,
    any_value(e.configuration) FILTER (s.space = '{TEXT_SPACE}') AS text_configuration,
    map_from_entries(list((s.space, {_SEEN}) ORDER BY s.space) FILTER (s.space <> '{TEXT_SPACE}')) AS seen
  FROM meta.space AS s JOIN meta.encoder AS e USING (encoder_id) WHERE s.space IN ({encoders})
),
text AS (
  SELECT l.name, list({{'bibcode': l.bibcode, 'year': p.year, 'citation_count': p.citation_count,
    'title': p.title, 'abstract': p.abstract, 'vector': v.vector::FLOAT[]}} ORDER BY l.bibcode) AS papers
  FROM linked AS l JOIN {relation(TEXT_SPACE)} AS v ON v.id = l.bibcode JOIN lit.paper AS p ON p.bibcode = l.bibcode
  GROUP BY l.name
)
SELECT c.id, c.name, {data} AS data, t.papers, f.learned_from, f.text_configuration, f.seen
FROM chosen AS c
{joins}
LEFT JOIN text AS t ON t.name = c.name
CROSS JOIN learned_from AS f
"""


def fingerprints_sql(spaces: tuple[str, ...]) -> str:
    """Return the SQL of (id, name, input_sha256)."""
    return f"""
WITH made AS ({_MADE}), chosen AS ({_chosen(spaces)}), linked AS ({_LINKED}),
text AS (
  SELECT l.name, string_agg(concat_ws(',', l.bibcode, m.encoder_id, m.input_sha256), ';' ORDER BY l.bibcode) AS papers
  FROM linked AS l JOIN made AS m ON m.space = '{TEXT_SPACE}' AND m.id = l.bibcode AND m.skipped IS NULL
  GROUP BY l.name
)
SELECT c.id, c.name, sha256(concat_ws('|', 'pairs-{VERSION}', c.data_inputs, coalesce(t.papers, '-'))) AS input_sha256
FROM chosen AS c LEFT JOIN text AS t ON t.name = c.name
"""


def everything(spaces: tuple[str, ...]) -> str:
    """Return the SQL of all ids that may have an input."""
    return f"(SELECT id FROM meta.embedded WHERE space = '{spaces[0]}' AND skipped IS NULL)"


N_PAPERS = 64
"""Papers of a source that are known by their hash; the pooled vectors are of all."""
TEXT_DIM = 384 + STATED
"""Length of a text vector where no row has a paper: MiniLM's, and quantities."""


def prepare(rows: pa.Table) -> Prepared:
    """Make rows of `embed.inputs.pairs.rows_sql` ready.

    Parameters
    ----------
    rows : pyarrow.Table
        n rows: id, name, data (list of float), papers (list of {bibcode, year, citation_count, title, abstract,
        vector}), learned_from (map of space to encoder), text_configuration (JSON).

    Returns
    -------
    Prepared
        Arrays: data (n, d) float32; text (n, n_pooling, d_text) float32 in the order of
        `embed.inputs.pooling.POOLINGS`, zeros where there is no paper; has_text (n,) bool; papers
        (n, 64) int64, hashes of bibcodes, 0 where there is none.
        No row is skipped: without papers it is still data.
    """
    ids, names = ids_and_names(rows, np.ones(rows.num_rows, np.bool_))
    data = _matrix(rows["data"].combine_chunks())
    papers = rows["papers"].combine_chunks()
    source = np.asarray(pc.list_parent_indices(papers).to_numpy(zero_copy_only=False), np.int64)
    links = papers.flatten()
    text, has_text = _text(links, source, rows.num_rows)
    return Prepared(
        ids,
        names,
        {"data": data, "text": text, "has_text": has_text, "papers": _hashes(links, source, rows.num_rows)},
        {},
    )


def _text(
    links: pa.StructArray, source: npt.NDArray[np.int64], n: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return pooled vectors (n, n_pooling, d), and which rows have any paper."""
    has_text = np.bincount(source, minlength=n).astype(np.bool_)
    if not len(links):
        return np.zeros((n, len(POOLINGS), TEXT_DIM), np.float32), has_text
    # A paper of many sources stands in many rows, and its text is read once.
    _, first, paper = np.unique(
        links.field("bibcode").to_numpy(zero_copy_only=False).astype(str), return_index=True, return_inverse=True
    )
    papers = links.take(pa.array(first))
    pairs = zip(papers.field("title").to_pylist(), papers.field("abstract").to_pylist(), strict=True)
    vectors = beside(_matrix(papers.field("vector")), [as_written(*pair) for pair in pairs])
    year, cited = (_numbers(papers.field(f)) for f in ("year", "citation_count"))
    parts = [per_source(vectors, paper, source, n, kind, year=year, citation_count=cited) for kind in POOLINGS]
    return np.nan_to_num(np.stack(parts, axis=1)).astype(np.float32), has_text


def _hashes(links: pa.StructArray, source: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Return which papers each row has, as hashes: what tells that two sources share one."""
    out = np.zeros((n, N_PAPERS), np.int64)
    if not len(links):
        return out
    place = np.arange(len(source)) - np.searchsorted(source, source)
    kept = place < N_PAPERS
    codes = [int.from_bytes(hashlib.blake2b(b.encode(), digest_size=8).digest(), "little", signed=True) or 1
             for b in links.field("bibcode").to_pylist()]  # fmt: skip
    out[source[kept], place[kept]] = np.array(codes, np.int64)[kept]
    return out


def _numbers(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _matrix(column: pa.Array) -> npt.NDArray[np.float32]:
    """Return lists of one length as an array of shape (n, d)."""
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)  # a copy: Arrow's memory is read-only
    return flat.reshape(len(column), -1) if len(column) else np.empty((0, 0), np.float32)
