"""What the data are and where they live: tables, the lake, the Catalog that users hold in their hands.

>>> import catalog
>>> cat = catalog.open("store")  # doctest: +SKIP
>>> cat.sql("SELECT name, ra, dec FROM csc.master_source LIMIT 5").pl()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.catalog import open_ as open  # noqa: A004 - catalog.open reads as it should
    from catalog.query.result import Result

__all__ = ["Catalog", "Result", "open"]


def __getattr__(name: str) -> object:
    """Load the engine only when a store is opened: `import catalog` itself stays light."""
    if name in {"Catalog", "open"}:
        from catalog import catalog  # noqa: PLC0415 - the point of this function

        return catalog.open_ if name == "open" else catalog.Catalog
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - as above

        return version("photonlake")
    if name == "Result":
        from catalog.query.result import Result  # noqa: PLC0415 - as above

        return Result
    raise AttributeError(f"module 'catalog' has no attribute {name!r}")
