"""What a reader leaves out of a file, said once per file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ingest.fits import HDU


def columns_not_kept(hdus: Sequence[HDU], used: Collection[str]) -> Iterator[str]:
    """Flag the columns that a reader did not use.

    Parameters
    ----------
    hdus : sequence of HDU
        The tables it read.
    used : collection of str
        Names of the columns that it keeps, or that follow from those, in lower case.

    Examples
    --------
    >>> import io
    >>> hdu = HDU(1, {"TFIELDS": 2, "TTYPE1": "TIME", "TTYPE2": "GRADE"}, 0, io.BytesIO())
    >>> list(columns_not_kept([hdu], {"time"}))
    ['columns_not_kept: GRADE']
    """
    names = {name.lower(): name for hdu in hdus for name in hdu.column_names}
    left = [name for lower, name in names.items() if lower not in used]
    if left:
        yield f"columns_not_kept: {', '.join(left)}"


def tables_not_kept(hdus: Sequence[HDU]) -> Iterator[str]:
    """Flag the tables that a reader passed over, but for good times: they were applied when the file was made.

    Examples
    --------
    >>> import io
    >>> list(tables_not_kept([HDU(2, {"XTENSION": "BINTABLE", "EXTNAME": "BADPIX"}, 0, io.BytesIO())]))
    ['tables_not_kept: BADPIX']
    """
    names = dict.fromkeys(hdu.name or f"HDU {hdu.index}" for hdu in hdus if hdu.is_table)
    left = [name for name in names if "GTI" not in name]
    if left:
        yield f"tables_not_kept: {', '.join(left)}"
