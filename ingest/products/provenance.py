"""Whose observation a file is, and how far it was processed: what tells the better of two files of the same photons.

Other missions number their observations, too (XMM-Newton 0112880201, NICER 1200120106, H.E.S.S. 23037): TELESCOP
decides whether an OBS_ID is a Chandra ObsID.

Source: CXC "Level 1 and Level 2 data products" (evt1: all events; evt2: good grades and good times only); CIAO's
chandra_repro (a folder `repro` with *_repro_evt2.fits) and download_chandra_obsid (folders `primary`, `secondary`);
CXC "ACIS interleaved mode": primary and secondary exposures are files of their own, e1 and e2.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import NamedTuple

from ingest.fits import HDU
from ingest.readers import FileName

CHANDRA = "CHANDRA"
_NAMES = ("CHANDRA", "AXAF", "CXO")
_INSTRUMENTS = ("ACIS", "HRC")
_UNTOLD = frozenset({"UNKNOWN", "N/A"})  # what ascii2pha writes where nobody tells it


def mission(hdu: HDU) -> str | None:
    """Return the mission in upper case, 'CHANDRA' for all of its names; None where the header does not tell.

    Examples
    --------
    >>> import io
    >>> [mission(HDU(1, {"TELESCOP": name}, 0, io.BytesIO())) for name in ("AXAF", "NuSTAR", "")]
    ['CHANDRA', 'NUSTAR', None]
    """
    for said in filter(None, map(hdu.observed, ("TELESCOP", "MISSION"))):
        if said.upper() not in _UNTOLD:
            return CHANDRA if said.upper().startswith(_NAMES) else said.upper()
    return CHANDRA if (instrument_of(hdu) or "").startswith(_INSTRUMENTS) else None


def is_other_mission(hdu: HDU) -> bool:
    """Tell whether a header is another mission's: by its telescope, else by its instrument.

    Examples
    --------
    >>> import io
    >>> [is_other_mission(HDU(1, {"INSTRUME": name}, 0, io.BytesIO())) for name in ("ACIS", "EPN", "")]
    [False, True, False]
    """
    name = mission(hdu)
    return name != CHANDRA if name else instrument_of(hdu) is not None


def mission_flags(hdu: HDU) -> list[str]:
    """Flag what is not Chandra's."""
    return ["not_chandra"] if is_other_mission(hdu) else []


def instrument_of(hdu: HDU) -> str | None:
    """Return INSTRUME, else the instrument in DETNAM ('ACIS-7'), in upper case; None where neither is there."""
    said = (hdu.observed("INSTRUME") or (hdu.observed("DETNAM") or "").partition("-")[0]).upper()
    return None if said in _UNTOLD else said or None


_LEVEL = re.compile(r"EVT([123])(?:[^0-9]|$)", re.IGNORECASE)
_REPRO = re.compile(r"(?:^|[^a-z])repro(?:[^a-z]|$)", re.IGNORECASE)
_INTERLEAVED = re.compile(r"(?:_|\d{3})e([12])(?:_|\.|$)", re.IGNORECASE)
_FOLDER = re.compile(r"primary|secondary|repro(?:[^a-z].*)?", re.IGNORECASE)
_FOLDER_LEVELS = {"primary": 2, "secondary": 1, "repro": 2}
_CYCLES = {"P": 1, "S": 2}


class Processing(NamedTuple):
    """What a file says of its processing.

    Attributes
    ----------
    level : int or None
        1, 2 or 3; None where nothing tells.
    reprocessed : bool
        A user made it anew with CIAO's chandra_repro.
    interleaved : int or None
        1 for the primary, 2 for the secondary exposures of an interleaved observation; None for any other.
    """

    level: int | None
    reprocessed: bool
    interleaved: int | None


def processing(hdu: HDU, file: FileName) -> Processing:
    """Tell how far an event file was processed, from its header, its name and its folder, in this order.

    Parameters
    ----------
    hdu : HDU
        Its main table.
    file : FileName
        Its name and folder.

    Examples
    --------
    >>> import io
    >>> hdu = HDU(1, {"CONTENT": "EVT2"}, 0, io.BytesIO())
    >>> processing(hdu, FileName.of("/data/4321/repro/acisf04321_repro_evt2.fits"))
    Processing(level=2, reprocessed=True, interleaved=None)
    >>> processing(HDU(1, {}, 0, io.BytesIO()), FileName.of("acisf04321_000N003_e1_evt1.fits.gz"))
    Processing(level=1, reprocessed=False, interleaved=1)
    """
    folder = _folder(file.folder)
    told = _LEVEL.search(hdu.text("CONTENT") or "") or _LEVEL.search(file.name)
    level = int(told[1]) if told else _FOLDER_LEVELS.get(folder)
    return Processing(level, folder == "repro" or bool(_REPRO.search(file.name)), _interleaved(hdu, file))


def _folder(path: str) -> str:
    """Return which of CIAO's folders a file lies in: the innermost counts."""
    for part in reversed(PurePath(path).parts):
        if match := _FOLDER.fullmatch(part):
            return "repro" if match[0].lower().startswith("repro") else match[0].lower()
    return ""


def _interleaved(hdu: HDU, file: FileName) -> int | None:
    """Return 1 or 2. DTYCYCLE counts the secondary exposures to a primary one: 0 where nothing is interleaved."""
    if match := _INTERLEAVED.search(file.name):
        return int(match[1])
    return _CYCLES.get((hdu.text("CYCLE") or "").upper()) if hdu.number("DTYCYCLE") else None
