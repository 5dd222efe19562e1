"""The view meta.embedding_input, made from the inputs' own SQL.

`python -m embed.inputs.fingerprint_view` writes its file.

The package sql knows nothing of encoders, yet the store itself is to tell which vectors are stale. So the SQL of the
fingerprints stands once in `embed.inputs.modalities`, and its copy in sql/views/ is written by this module; a test
compares.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from embed.inputs import pairs
from embed.inputs.modalities import INPUTS

EVERYTHING = {
    "spectrum": "(SELECT detection_id AS id FROM product.spectrum WHERE detection_id IS NOT NULL)",
    "spectrum_counts": "(SELECT detection_id AS id FROM product.spectrum WHERE detection_id IS NOT NULL)",
    "events": "(SELECT detection_id AS id FROM product.detection_region)",
    "papers": "(SELECT bibcode AS id FROM lit.paper)",
    "properties": "(SELECT detection_id AS id FROM csc.observation_source)",
} | {pairs.modality(m): pairs.everything(spaces) for m, spaces in pairs.DATA_SPACES.items()}
"""Modality -> the SQL of all ids that may have an input."""

_HEAD = """\
-- One row per detection or paper and modality: what an encoder of that modality would read, by its hash. Written by
-- `python -m embed.inputs.fingerprint_view` from the inputs' own SQL.
-- columns:
--   modality {meta.code} spectrum, spectrum_counts, events, papers, properties; events+papers and the like
--   id {meta.id} detection_id or bibcode
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
