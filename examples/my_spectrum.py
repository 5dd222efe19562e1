"""A spectrum of your own against the store: sources that look like it, what they are, and who wrote about them.

The response and the background that the file's header names (RESPFILE, BACKFILE) are taken from its folder. The file
stays where it is, and nothing of it enters the store. Needs a store with vectors in the space `spectrum`. Type

    .venv/bin/python examples/my_spectrum.py demo/store my_source.pi
"""

from __future__ import annotations

import sys
from pathlib import Path

import catalog
from catalog.errors import PhotonlakeError

WHO = """
SELECT o.detection_id, o.hard_hs, t.otype, p.n_papers, p.bibcodes[1] AS newest_paper
FROM csc.observation_source AS o
LEFT JOIN csc.object_type AS t ON t.name = o.name AND t.authority = 'simbad'
LEFT JOIN lit.source_paper AS p ON p.name = o.name
WHERE o.detection_id IN (SELECT unnest($ids))
"""


def main(store: str, file: str) -> None:
    """Find the ten detections whose spectra are most like that of a file."""
    if (Path(file) / "catalog.sqlite").is_file():
        sys.exit(f"error: the store comes first, then the spectrum: examples/my_spectrum.py {file} {store}")
    with catalog.open(store) as cat:
        found = cat.nearest_to_file(file, k=10)
        near = found.pl()
        who = cat.sql(WHO, ids=near["id"].to_list()).pl()
    print(f"{Path(file).name}, against all spectra in {store}:\n")
    print("\n".join(found.remarks), end="\n\n")
    print("rank  distance  detection       hard_hs  type            papers  newest")
    for row in near.join(who, left_on="id", right_on="detection_id", how="left").sort("rank").iter_rows(named=True):
        hardness = "" if row["hard_hs"] is None else f"{row['hard_hs']:.3f}"
        print(
            f"{row['rank']:4}  {row['distance']:8.4f}  {row['id']:14}  {hardness:>7}  {row['otype'] or '':14}  "
            f"{row['n_papers'] or 0:6}  {row['newest_paper'] or ''}"
        )
    types = who["otype"].drop_nulls().value_counts(sort=True)
    said = ", ".join(f"{otype} {n}" for otype, n in types.iter_rows())
    print(f"\nWhat SIMBAD says these are: {said or 'nothing'}. Likeness is a hint, and no classification.")


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - a store and a file
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (PhotonlakeError, OSError) as error:  # no store, no such space or file: it says which
        sys.exit(f"error: {error}")
