"""What a spectrum's header says of other files: ANCRFILE, RESPFILE and BACKFILE, with or without a path."""

from __future__ import annotations

import re
from typing import NamedTuple

_CALL = re.compile(r"^\w+\((.*)\)$", re.DOTALL)
_FOLDER = re.compile(r"^.*[/\\]", re.DOTALL)
_SELECTION = re.compile(r"^(?P<name>[^\[{]*?)(?P<selected>[\[{].*|\+\d{1,9})$", re.DOTALL | re.ASCII)
_PARTS = tuple(
    (re.compile(form, re.IGNORECASE | re.ASCII), sign)
    for form, sign in (
        (r"\{\s*(\d{1,9})\s*\}", ""),
        (r"\[\s*(?:EXTNAME\s*=\s*)?[a-z_ ]+\s*[,;]\s*(?:EXTVER\s*=\s*)?(\d{1,9})\s*[\],;]", ""),
        (r"\[\s*[a-z_ ]*[a-z_](\d{1,9})\s*\]", ""),
        (r"\[\s*\+?(\d{1,9})\s*\]", "+"),
        (r"\+(\d{1,9})$", "+"),
    )
)


class Reference(NamedTuple):
    """What a header says of another file.

    Attributes
    ----------
    name : str or None
        Its base name; None where the header names none.
    part : str or None
        Which of several responses or spectra in it is meant: '2' is the second, or that of EXTVER 2; '+2' the one in
        the second extension. None where the header does not say.
    """

    name: str | None
    part: str | None = None


def file_reference(text: str | None) -> Reference:
    """Read what ANCRFILE, RESPFILE or BACKFILE say.

    Source: XSPEC manual ("file.arf{2}"); CFITSIO extended file names ("file[SPECRESP,2]", "file[2]", "file+2"); CIAO
    data model ("file[SPECRESP2]").

    Examples
    --------
    >>> file_reference("grid(../3c273.rmf[MATRIX][cols ENERG_LO,ENERG_HI])"), file_reference(" NONE ").name
    (Reference(name='3c273.rmf', part=None), None)
    >>> [file_reference(f"two.arf{which}").part for which in ("{2}", "[SPECRESP,2]", "[SPECRESP2]", "[2]", "+2", "[1]")]
    ['2', '2', '2', '+2', '+2', '+1']
    """
    name = (text or "").strip()
    if match := _CALL.match(name):
        name = match[1]
    split = _SELECTION.match(name)
    name, selected = (split["name"], split["selected"][:200]) if split else (name, "")
    name = _FOLDER.sub("", name).strip().strip("'\"!@")
    if name.lower() in {"", "none", "null", "n/a", "caldb"}:
        return Reference(None)
    part = next((f"{sign}{int(m[1])}" for form, sign in _PARTS if (m := form.match(selected))), None)
    return Reference(name, part)
