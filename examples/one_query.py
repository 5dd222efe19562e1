"""One SQL query over the sky, photons, vectors and papers: what lies around a source, and what is like it.

Needs a store with vectors in the space `spectrum`; `make demo` leaves one. Type

    .venv/bin/python examples/one_query.py demo/store
    .venv/bin/python examples/one_query.py demo/store "2CXO J154744.1+084128"
"""

from __future__ import annotations

import sys

import catalog
from catalog.errors import PhotonlakeError

# Four worlds, one statement. It sees one snapshot of the store, whatever is being written meanwhile.
QUERY = """
WITH sky AS (  -- sources within 10 arcmin of a position
    SELECT name, separation_arcsec, significance FROM cone($ra, $dec, 600)
),
photons AS (  -- their photons, one by one, inside the source's region
    SELECT name, count(*) AS n_photons, median(energy_ev) AS energy_ev
    FROM product.detection_event JOIN sky USING (name)
    WHERE in_source_region
    GROUP BY name
),
alike AS (  -- how far each spectrum is from the chosen one: the nearest of a source's detections counts
    SELECT name, min(distance) AS distance FROM nearest('spectrum', $name, k := 1000) GROUP BY name
)
SELECT name, round(separation_arcsec, 1) AS arcsec, n_photons, round(energy_ev) AS median_energy,
    round(distance, 4) AS distance, t.otype, p.n_papers, p.bibcodes[1] AS a_paper
FROM sky
LEFT JOIN photons USING (name)
LEFT JOIN alike USING (name)
LEFT JOIN csc.object_type AS t ON t.name = sky.name AND t.authority = 'simbad'
LEFT JOIN lit.source_paper AS p ON p.name = sky.name
ORDER BY distance NULLS LAST, significance DESC
LIMIT 10
"""
BRIGHTEST = """
SELECT m.name FROM csc.master_source AS m JOIN embedding.spectrum AS e USING (name)
ORDER BY m.significance DESC NULLS LAST LIMIT 1
"""


def main(store: str, name: str = "") -> None:
    """Ask what is around a source; without a name, around the most significant one that has a spectrum."""
    with catalog.open(store) as cat:
        if not name:
            ((name,),) = cat.sql(BRIGHTEST).fetchall()
        place = cat.sql("SELECT ra, dec FROM csc.master_source WHERE name = $name", name=name).fetchall()
        if not place:
            sys.exit(f"{store} has no source called {name!r}; list them: SELECT name FROM csc.master_source")
        ((ra, dec),) = place
        print(f"Around {name} at {ra:.5f} {dec:+.5f}, by likeness of their spectra to its own:\n")
        # Values go in as parameters, never into the text. The columns of the table know their units.
        cat.sql(QUERY, ra=ra, dec=dec, name=name).table().pprint(max_width=-1)


if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004 - the store is to be named
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (PhotonlakeError, OSError) as error:  # no store, no such space or file: it says which
        sys.exit(f"error: {error}")
