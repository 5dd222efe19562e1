"""Search by vector from a script: a detection, a vector of your own making, or words as the target.

Needs a store with vectors in the spaces `spectrum` and `papers`; `make demo` leaves one. Type

    .venv/bin/python examples/vector_search.py demo/store
    .venv/bin/python examples/vector_search.py demo/store "an accreting black hole in quiescence"
"""

from __future__ import annotations

import sys

import numpy as np

import catalog
from catalog.errors import PhotonlakeError


def main(store: str, words: str = "flares of young stars") -> None:
    """Ask one store four times."""
    with catalog.open(store) as cat:
        # All vectors of a space at once: n ids, and an array of n rows.
        ids, vectors = cat.vectors("spectrum")
        print(f"{store} has {len(ids):,} spectra as vectors of {vectors.shape[1]} numbers.")

        print(f"\nSpectra most like that of detection {ids[0]}:")
        show(cat.nearest("spectrum", ids[0], k=5, exclude_self=True))

        # Any NumPy vector is a target: here the point halfway between two spectra, which is no detection.
        # The filter is a condition on csc.observation_source, and is applied before the search.
        print(f"\nBetween {ids[0]} and {ids[1]}, among significant detections:")
        halfway = (vectors[0] + vectors[1]) / 2
        show(cat.nearest("spectrum", halfway, k=5, metric="l2", filter="flux_significance_b >= 3"))

        # The vectors are yours to calculate with. The loneliest spectrum is the one whose nearest other is farthest.
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -1)
        loneliest = cosines.max(axis=1).argmin()
        print(f"\nNo spectrum is like that of {ids[loneliest]}; the nearest is at {1 - cosines[loneliest].max():.3f}.")

        print(f"\nPapers nearest to the words '{words}':")
        near = cat.nearest("papers", text=words, k=5).table()
        titles = dict(cat.sql("SELECT bibcode, title FROM lit.paper").fetchall())
        for paper in near:
            print(f"{paper['rank']}  {paper['distance']:.3f}  {paper['id']}  {titles[paper['id']]}")


def show(result: catalog.Result) -> None:
    """Print neighbours as an astropy table; `.pl()`, `.df()` and `.arrow()` would give other kinds."""
    table = result.table()["rank", "detection_id", "name", "distance"]
    table["distance"].info.format = ".4f"
    table.pprint(max_width=-1)


if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004 - the store is to be named
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (PhotonlakeError, OSError) as error:  # no store, no such space or file: it says which
        sys.exit(f"error: {error}")
