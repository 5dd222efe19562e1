"""Whose observation a file is: Chandra's, or another mission's that happens to use the same format.

Other missions number their observations, too (XMM-Newton 0112880201, NICER 1200120106, H.E.S.S. 23037): TELESCOP
decides whether an OBS_ID is a Chandra ObsID.
"""

from __future__ import annotations

from ingest.fits import HDU

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
