"""The input of the aligned space: a detection's vectors of other spaces, and those of the papers about its source.

The rows are read from the spaces themselves, at the versions that the snapshot pins: whoever runs the query registers
each of `spaces(modality)` under `relation(space)`. What tells whether a row has changed is told by the store alone.
"""

from __future__ import annotations

DATA_SPACES: dict[str, tuple[str, ...]] = {
    "events": ("events",),
    "spectrum": ("spectrum",),
    "properties": ("properties",),
    "events-spectrum": ("events", "spectrum"),
}
"""What may be aligned with papers: model of the aligned space -> spaces whose vectors stand side by side."""
TEXT_SPACE = "papers"


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


def rows_sql(spaces: tuple[str, ...]) -> str:
    """Return the SQL of the rows: id, name, data (a list of numbers), the papers, and the encoders of both."""
    data = " || ".join(f"d_{s}.vector::FLOAT[]" for s in spaces)
    joins = "\n".join(f"JOIN {relation(s)} AS d_{s} ON d_{s}.id = c.id" for s in spaces)
    encoders = ", ".join(f"'{s}'" for s in (*spaces, TEXT_SPACE))
    return f"""
WITH made AS ({_MADE}), chosen AS ({_chosen(spaces)}), linked AS ({_LINKED}),
learned_from AS (
  SELECT map_from_entries(list((s.space, s.encoder_id) ORDER BY s.space)) AS learned_from,
    any_value(e.configuration) FILTER (s.space = '{TEXT_SPACE}') AS text_configuration
  FROM meta.space AS s JOIN meta.encoder AS e USING (encoder_id) WHERE s.space IN ({encoders})
),
text AS (
  SELECT l.name, list({{'bibcode': l.bibcode, 'year': p.year, 'citation_count': p.citation_count,
    'title': p.title, 'abstract': p.abstract, 'vector': v.vector::FLOAT[]}} ORDER BY l.bibcode) AS papers
  FROM linked AS l JOIN {relation(TEXT_SPACE)} AS v ON v.id = l.bibcode JOIN lit.paper AS p ON p.bibcode = l.bibcode
  GROUP BY l.name
)
SELECT c.id, c.name, {data} AS data, t.papers, f.learned_from, f.text_configuration
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
SELECT c.id, c.name, sha256(concat_ws('|', 'pairs-3', c.data_inputs, coalesce(t.papers, '-'))) AS input_sha256
FROM chosen AS c LEFT JOIN text AS t ON t.name = c.name
"""


def everything(spaces: tuple[str, ...]) -> str:
    """Return the SQL of all ids that may have an input."""
    return f"(SELECT id FROM meta.embedded WHERE space = '{spaces[0]}' AND skipped IS NULL)"
