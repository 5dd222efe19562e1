"""A store's vectors in LanceDB itself: open a space at the version that the store pins, search it, filter it.

Needs a store with vectors; `make demo` leaves one. Type

    .venv/bin/python examples/open_with_lancedb.py demo/store
"""

from __future__ import annotations

import sys
from pathlib import Path

import lancedb

import catalog
from catalog.errors import PhotonlakeError


def main(store: str) -> None:
    """Print the spaces of a store, and which rows LanceDB finds nearest to the first of each."""
    with catalog.open(store) as cat:
        pins = cat.sql("SELECT space, lance_version FROM meta.space ORDER BY space").fetchall()
    spaces = lancedb.connect(Path(store) / "vectors")
    for space, version in pins:
        table = spaces.open_table(space)
        table.checkout(version)  # newer versions may be half made: the catalog says which one counts
        first = table.search().limit(1).to_list()[0]
        found = table.search(first["vector"]).where(f"modality = '{first['modality']}'").limit(3).to_list()
        print(f"{space}: {table.count_rows():,} vectors; nearest to {first['id']}: {', '.join(r['id'] for r in found)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and the store
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except PhotonlakeError as error:
        sys.exit(f"error: {error}")
