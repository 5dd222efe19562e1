"""To TOPCAT and back: write sources as a VOTable, add columns of your own there, ask the store for them.

First write the table; its columns carry units, UCDs and descriptions, and its parameters say which query made it:

    .venv/bin/python examples/topcat_round_trip.py demo/store sources.vot

Open sources.vot in TOPCAT, add a column or two (for instance `by_eye`), keep `name`, and save it as VOTable under
another name. Then bring it back, and ask for your column. This writes to the store:

    .venv/bin/python examples/topcat_round_trip.py demo/store mine.vot by_eye
"""

from __future__ import annotations

import sys
from pathlib import Path

import catalog
from catalog.errors import PhotonlakeError
from catalog.export import export
from catalog.manifest import Source
from ingest.refresh import refresh

# A column called otype would come back as one more statement about the source; under another name it is a mere copy.
THERE = """
SELECT m.name, m.ra, m.dec, m.significance, m.flux_aper_b, m.hard_hs, m.var_inter_prob_b, t.otype AS said_to_be
FROM csc.master_source AS m
LEFT JOIN csc.object_type AS t ON t.name = m.name AND t.authority = 'simbad'
ORDER BY m.significance DESC NULLS LAST, m.name
"""
BACK = """
SELECT name, significance, extra[$column] AS mine
FROM csc.master_source
WHERE extra[$column] IS NOT NULL
ORDER BY significance DESC NULLS LAST, name
"""


def there(store: str, file: Path) -> None:
    """Write a table for TOPCAT."""
    with catalog.open(store) as cat:
        result = cat.sql(THERE)
        print(f"{'column':18}{'unit':16}UCD")
        for name, about in zip(result.columns, result.described, strict=True):
            print(f"{name:18}{about.unit if about else '':16}{about.ucd if about else ''}")
        n_rows = len(result)
        export(result.reader(), file)
    print(f"\n{n_rows} sources are in {file}. Open it in TOPCAT, add a column, and save it under another name.")


def back(store: str, file: Path, column: str) -> None:
    """Bring a table back into the store, and ask for a column that was not there before."""
    report = refresh(Path(store), [Source("files", str(file.resolve()))])
    for entry in report.problems:
        print(f"not loaded: {entry.error}")
    # Columns that the catalog does not know are kept in `extra`: a map from the column's name to the value as text.
    with catalog.open(store) as cat:
        mine = cat.sql(BACK, column=column).table()
    print(f"{len(mine)} sources have a value in {column}, a column of {file.name}:\n")
    mine.pprint(max_width=-1)


def main(store: str, file: str, column: str = "") -> None:
    """Go there without a column, and back with one."""
    if column:
        back(store, Path(file), column)
    else:
        there(store, Path(file))


if __name__ == "__main__":
    if len(sys.argv) not in {3, 4}:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (PhotonlakeError, OSError) as error:  # no store, no such space or file: it says which
        sys.exit(f"error: {error}")
