"""The inputs of all modalities: SQL of the rows, SQL of what tells whether a row has changed, and how it is prepared.

`{selected}` stands for a relation with a column `id`: the detections or papers that are wanted, for instance
``(SELECT detection_id AS id FROM csc.observation_source WHERE flux_significance_b >= 5)``, or the name of a registered
table. A query gives one row per id that has an input, in no particular order.

The store itself tells which vectors are stale, by the view meta.embedding_input. `python -m embed.inputs.modalities`
writes its file from the SQL here; a test compares.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from embed.inputs import binned_counts, pairs, papers, photons, properties, responses, spectra
from embed.inputs.prepared import Arrays, Input, Prepared
from embed.inputs.properties import COLUMNS

__all__ = [
    "INPUTS",
    "Arrays",
    "Input",
    "Prepared",
    "outgrown",
]

# A spectrum that is of no detection of the catalog, a user's own, is known by its spectrum_id. Of several spectra of a
# detection: the one with a response, with counts, with the longest exposure. The choice is made on narrow columns,
# before any list is read.
_CHOSEN_SPECTRUM = """
  SELECT coalesce(detection_id, spectrum_id) AS id, detection_id, spectrum_id, file_id, arf_id, rmf_id, background_id
  FROM product.spectrum
  WHERE coalesce(detection_id, spectrum_id) IN (SELECT id FROM {selected}) AND role = 'source'
    AND grating_order IS NULL
  QUALIFY row_number() OVER (PARTITION BY coalesce(detection_id, spectrum_id)
    ORDER BY rmf_id IS NULL, arf_id IS NULL, counts IS NULL, exposure_s DESC NULLS LAST, spectrum_id) = 1
"""
_BLIND = "CASE WHEN c.file_id IN (SELECT file_id FROM product.header WHERE instrument = 'HRC') THEN 'HRC' END"
_SPECTRUM_COLUMNS = f"""
  c.id, o.name, s.hduclas2,
  {_BLIND} AS instrument,
  s.counts, s.rate, s.stat_err, s.quality, s.exposure_s, s.backscal, s.areascal,
  coalesce(s.background_counts, b.counts) AS background_counts,
  coalesce(s.background_rate, b.rate) AS background_rate,
  coalesce(s.background_exposure_s, b.exposure_s) AS background_exposure_s,
  coalesce(s.background_backscal, b.backscal) AS background_backscal,
  coalesce(s.background_areascal, b.areascal) AS background_areascal,
  r.e_min, r.e_max
"""
_SPECTRUM_JOINS = """
  FROM chosen AS c
  JOIN product.spectrum AS s ON s.spectrum_id = c.spectrum_id
  LEFT JOIN product.spectrum AS b ON b.spectrum_id = c.background_id
  LEFT JOIN product.rmf AS r ON r.rmf_id = c.rmf_id
  LEFT JOIN product.detection_name AS o ON o.detection_id = c.detection_id
"""
_SPECTRUM_ROWS = f"""
WITH chosen AS ({_CHOSEN_SPECTRUM})
SELECT {_SPECTRUM_COLUMNS} {_SPECTRUM_JOINS}
"""
SPECTRUM_VERSION = 1 + spectra.grid_mark()
# 2: the background is a smooth curve; 1: it was its counts, bin by bin
SPECTRUM_COUNTS_VERSION = 2 + spectra.grid_mark()
BINNED_COUNTS_VERSION = 1  # 1: the bins and energies of embed.inputs.binned_counts
EVENTS_VERSION = 2  # 2: time from the start of the good times; 1: from the first photon
# The identifiers are hashes of content: their hash is one of the input. That of a camera without energies tells so
# besides; of others this is NULL, which concat_ws leaves out.
_SPECTRUM_FINGERPRINTS = f"""
WITH chosen AS ({_CHOSEN_SPECTRUM})
SELECT c.id, o.name, sha256(concat_ws('|', 'spectrum-{SPECTRUM_VERSION}', c.spectrum_id, coalesce(c.background_id, '-'),
  coalesce(c.rmf_id, '-'), {_BLIND})) AS input_sha256
FROM chosen AS c LEFT JOIN product.detection_name AS o ON o.detection_id = c.detection_id
"""
_FOLDED_ROWS = f"""
WITH chosen AS ({_CHOSEN_SPECTRUM})
SELECT {_SPECTRUM_COLUMNS}, r.energ_lo, r.energ_hi, r.n_grp, r.f_chan, r.n_chan, r.matrix, r.includes_area,
  a.energ_lo AS arf_lo, a.energ_hi AS arf_hi, a.specresp
{_SPECTRUM_JOINS}
  LEFT JOIN product.arf AS a ON a.arf_id = c.arf_id
"""
_FOLDED_FINGERPRINTS = _SPECTRUM_FINGERPRINTS.replace(
    f"'spectrum-{SPECTRUM_VERSION}'", f"'spectrum-counts-{SPECTRUM_COUNTS_VERSION}', coalesce(c.arf_id, '-')"
)
_BINNED_FINGERPRINTS = _FOLDED_FINGERPRINTS.replace(
    f"'spectrum-counts-{SPECTRUM_COUNTS_VERSION}'", f"'binned-counts-{BINNED_COUNTS_VERSION}'"
)

# One row per detection that has an event file, photons or none. Good times are those of the CCD that most of the
# detection's photons fell on, in each of its files; without good times, the spans that product.file_span gives.
_EVENTS_ROWS = """
WITH region AS (
  SELECT detection_id AS id, any_value(name) AS name, list(file_id) AS file_ids,
    bool_and(region_from IS NULL) AS no_region, bool_or(coalesce(flag LIKE '%events_capped%', false)) AS capped
  FROM product.detection_region
  WHERE detection_id IN (SELECT id FROM {selected})
  GROUP BY detection_id
),
photon AS (
  SELECT detection_id AS id, mode(ccd_id) AS ccd_id, count(*) AS n_all, count(energy_ev) AS n_with_energy,
    list({'time_s': time_s, 'energy_ev': CAST(energy_ev AS DOUBLE)})
      FILTER (energy_ev >= 500 AND energy_ev < 7000 AND time_s IS NOT NULL) AS photon
  FROM product.detection_event
  WHERE detection_id IN (SELECT id FROM {selected}) AND in_source_region
  GROUP BY detection_id
),
good AS (
  SELECT f.id, g.ccd_id, list({'start_s': g.start_s, 'stop_s': g.stop_s}) AS good
  FROM product.good_time AS g
  JOIN (SELECT id, unnest(file_ids) AS file_id FROM region) AS f ON f.file_id = g.file_id
  GROUP BY f.id, g.ccd_id
),
span AS (
  SELECT f.id, list({'start_s': s.start_s, 'stop_s': s.stop_s}) AS good
  FROM product.file_span AS s
  JOIN (SELECT id, unnest(file_ids) AS file_id FROM region) AS f ON f.file_id = s.file_id
  GROUP BY f.id
)
SELECT r.id, r.name, p.photon, coalesce(p.n_all > 0 AND p.n_with_energy = 0, false) AS no_energy, r.no_region, r.capped,
  coalesce(g.good, every.good, s.good) AS good
FROM region AS r
LEFT JOIN photon AS p ON p.id = r.id
LEFT JOIN good AS g ON g.id = r.id AND g.ccd_id = p.ccd_id
LEFT JOIN good AS every ON every.id = r.id AND every.ccd_id IS NULL
LEFT JOIN span AS s ON s.id = r.id
"""
_EVENTS_FINGERPRINTS = f"""
SELECT id, any_value(name) AS name, sha256(concat_ws('|', 'events-{EVENTS_VERSION}', string_agg(input, ';' ORDER BY
  input))) AS input_sha256
FROM (
  SELECT r.detection_id AS id, r.name, concat_ws(',', coalesce(f.sha256, f.path), coalesce(r.x, -1), coalesce(r.y, -1),
    coalesce(r.semi_major_arcsec, -1), coalesce(r.semi_minor_arcsec, -1), coalesce(r.angle_deg, -1),
    coalesce(r.shapes::VARCHAR, '-'), coalesce(r.flag, '-')) AS input
  FROM product.detection_region AS r
  JOIN meta.file AS f ON f.file_id = r.file_id
  WHERE r.detection_id IN (SELECT id FROM {{selected}})
)
GROUP BY id
"""
_PAPERS_ROWS = """
SELECT bibcode AS id, bibcode AS name, title, abstract FROM lit.paper
WHERE bibcode IN (SELECT id FROM {selected})
"""
_PAPERS_FINGERPRINTS = """
SELECT bibcode AS id, bibcode AS name,
  sha256(concat_ws('|', 'papers-3', coalesce(title, ''), coalesce(abstract, ''))) AS input_sha256
FROM lit.paper WHERE bibcode IN (SELECT id FROM {selected})
"""
_COLUMN_LIST = ", ".join(COLUMNS)
_PROPERTIES_ROWS = f"""
SELECT detection_id AS id, name, {_COLUMN_LIST} FROM csc.observation_source
WHERE detection_id IN (SELECT id FROM {{selected}})
"""
_PROPERTIES_FINGERPRINTS = f"""
SELECT detection_id AS id, name, sha256(concat_ws('|', 'properties-1',
  {", ".join(f"coalesce({c}::VARCHAR, '-')" for c in COLUMNS)})) AS input_sha256
FROM csc.observation_source WHERE detection_id IN (SELECT id FROM {{selected}})
"""

INPUTS: dict[str, Input] = {
    i.modality: i
    for i in (
        Input(
            "spectrum",
            "detection_id",
            _SPECTRUM_ROWS,
            _SPECTRUM_FINGERPRINTS,
            spectra.prepare,
            2048,
            version=SPECTRUM_VERSION,
        ),
        Input(
            "spectrum_counts",
            "detection_id",
            _FOLDED_ROWS,
            _FOLDED_FINGERPRINTS,
            responses.prepare,
            64,
            version=SPECTRUM_COUNTS_VERSION,
        ),
        Input(
            "binned_counts",
            "detection_id",
            _FOLDED_ROWS,
            _BINNED_FINGERPRINTS,
            binned_counts.prepare,
            64,
            version=BINNED_COUNTS_VERSION,
        ),
        Input(
            "events",
            "detection_id",
            _EVENTS_ROWS,
            _EVENTS_FINGERPRINTS,
            photons.prepare,
            1024,
            version=EVENTS_VERSION,
        ),
        Input("papers", "bibcode", _PAPERS_ROWS, _PAPERS_FINGERPRINTS, papers.prepare, 1024),
        Input("properties", "detection_id", _PROPERTIES_ROWS, _PROPERTIES_FINGERPRINTS, properties.prepare, 65536),
        *(
            Input(
                pairs.modality(model),
                "detection_id",
                pairs.rows_sql(spaces),
                pairs.fingerprints_sql(spaces),
                pairs.prepare,
                1024,
                (*spaces, pairs.TEXT_SPACE),
                version=pairs.VERSION,
            )
            for model, spaces in pairs.DATA_SPACES.items()
        ),
    )
}


def outgrown(modality: str, version: int) -> str:
    """Say of which input an encoder is that learned from a version of it; '' where it can read the present one.

    Examples
    --------
    >>> outgrown("papers", 1), outgrown("events", 0), outgrown("events", 1)
    ('', '', 'events of input version 1, and rows are prepared by version 2 now')
    """
    now = INPUTS[modality].version
    return (
        ""
        if version in {0, now}
        else f"{modality} of input version {version}, and rows are prepared by version {now} now"
    )


_EVERY_SPECTRUM = "(SELECT coalesce(detection_id, spectrum_id) AS id FROM product.spectrum)"
EVERYTHING = {
    "spectrum": _EVERY_SPECTRUM,
    "spectrum_counts": _EVERY_SPECTRUM,
    "binned_counts": _EVERY_SPECTRUM,
    "events": "(SELECT detection_id AS id FROM product.detection_region)",
    "papers": "(SELECT bibcode AS id FROM lit.paper)",
    "properties": "(SELECT detection_id AS id FROM csc.observation_source)",
} | {pairs.modality(m): pairs.everything(spaces) for m, spaces in pairs.DATA_SPACES.items()}
"""Modality -> the SQL of all ids that may have an input."""

_HEAD = """\
-- One row per detection or paper and modality: what an encoder of that modality would read, by its hash. Written by
-- `python -m embed.inputs.modalities` from the inputs' own SQL.
-- columns:
--   modality {meta.code} spectrum, spectrum_counts, binned_counts, events, papers, properties; events+papers, ...
--   id {meta.id} detection_id or bibcode; spectrum_id of a spectrum that is of no detection
--   name {meta.id;src} Source the detection belongs to; the bibcode of a paper
--   input_sha256 Hash that changes when, and only when, the input does
CREATE VIEW meta.embedding_input AS
"""


def text() -> str:
    """Return the view's file.

    Examples
    --------
    >>> "CREATE VIEW meta.embedding_input AS" in text()
    True
    """
    parts = [
        f"SELECT '{modality}' AS modality, id, name, input_sha256 FROM (\n"
        f"{INPUTS[modality].fingerprints(everything).strip()}\n)"
        for modality, everything in EVERYTHING.items()
    ]
    return _HEAD + "\nUNION ALL\n".join(parts) + ";\n"


def main() -> None:
    """Write the file."""
    Path(str(resources.files("sql").joinpath("views/meta.embedding_input.sql"))).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
