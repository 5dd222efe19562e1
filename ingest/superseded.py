"""Products of which a newer version was fetched: their rows give way in the commit that brings the newer ones.

A fetch lays files of a higher N-version beside the older ones, below the store's own folder. The refresh does not read
an older one any more. Its rows leave the store in the commit of the newer file; then the older file leaves the disk.
What lies in folders of the user is never touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from catalog.schema.identifiers import ProductName, parse_product_name
from catalog.store.manifest import DUPLICATE, LOADED, Known
from ingest.streams import spelled

_FETCHED = re.compile(r"files(-[^/]+)?/[^/]+/[^/]+/[^/]+")
"""Where a fetch lays products, below the store: files/2CXOJ.../obsid_obi/name, with a root for each release."""
Key = tuple[int, int, int | None, str, str]


def key_of(name: ProductName) -> Key:
    """Return what a file's name says of which product it is, whatever its N-version.

    Examples
    --------
    >>> key_of(parse_product_name("acisf10542_000N021_r0017b_lc3.fits.gz"))
    (10542, 0, 17, 'b', 'lc3')
    """
    return (name.obsid, name.obi or 0, name.region_id, name.band or "", name.kind)


def older_versions(paths: Iterable[str], store: Path) -> dict[str, str]:
    """Find the fetched files of which a higher N-version lies there, too.

    Parameters
    ----------
    paths : iterable of str
        Files on disk, as the ledger spells them.
    store : Path
        What lies elsewhere than in its folders of fetched files is the user's.

    Returns
    -------
    dict of str to str
        Older file -> the one of the highest N-version.

    Examples
    --------
    >>> names = [f"/s/files/2CXOJ1/1_000/acisf00001_000N00{n}_r0001_pha3.fits" for n in (2, 3)]
    >>> older_versions([*names, names[1].replace("/s/", "/elsewhere/")], Path("/s")) == {names[0]: names[1]}
    True
    >>> older_versions([n.replace("/files/", "/mine/") for n in names], Path("/s"))  # the user's own, below the store
    {}
    """
    own = spelled(str(store)) + "/"
    versions: dict[tuple[str, Key], list[tuple[int, str]]] = {}
    for path in paths:
        if not path.startswith(own) or not _FETCHED.fullmatch(path, len(own)):
            continue
        product = parse_product_name(os.path.basename(path))  # noqa: PTH119 - a hundred thousand times
        root = path.rsplit("/", 3)[0]
        if product is not None:
            versions.setdefault((root, key_of(product)), []).append((product.version, path))
    older = {}
    for found in versions.values():
        highest, newest = max(found)
        older.update({path: newest for version, path in found if version < highest})
    return older


def given_way(older: Mapping[str, str], ledger: Mapping[str, Known]) -> list[str]:
    """Return the older files of which the newer one has its rows in the store, under its own name or a copy's.

    Examples
    --------
    >>> ledger = {"/new": Known(1, 1, LOADED, "ab", 1), "/broken": Known(1, 1, "failed", None, 0)}
    >>> given_way({"/old": "/new", "/good": "/broken"}, ledger)
    ['/old']
    """
    there = {path for path, known in ledger.items() if known.status in {LOADED, DUPLICATE}}
    return [path for path, newest in older.items() if newest in there]
