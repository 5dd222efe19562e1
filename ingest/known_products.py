"""Files of Chandra's archive and of CIAO that are not loaded, named for what they are.

A folder that download_chandra_obsid or chandra_repro makes holds twenty such files beside each event list; whoever
reads `ingest status` should see that they were met, and what they are.

Source: CIAO "Data products" guide (names and CONTENT of level 0 to 2); CSC 2 "Data Product File Names".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BY_WORD = {
    "acal": "aspect calibration",
    "ahst": "an aspect histogram",
    "aoff": "aspect offsets",
    "soff": "aspect offsets",
    "aqual": "the quality of an aspect solution",
    "asol": "an aspect solution",
    "osol": "an aspect solution",
    "bias": "a bias map",
    "bkgimg": "a background image",
    "blocks": "Bayesian blocks",
    "bpix": "bad pixels",
    "draws": "MCMC draws of aperture photometry",
    "dtf": "dead times",
    "dtfstat": "statistics of dead times",
    "eph": "an ephemeris",
    "exp": "an exposure map",
    "exr": "exposure records",
    "flt": "good times by which events were filtered",
    "fov": "a field of view",
    "img": "an image",
    "msk": "a mask of the detector's windows",
    "mtl": "a mission time line",
    "oif": "an index of an observation's files",
    "pbk": "a parameter block of the instrument",
    "phot": "aperture photometry posteriors",
    "poly": "polygons",
    "psf": "a PSF image",
    "reg": "a region",
    "regexp": "an exposure map of a source region",
    "regimg": "an image of a source region",
    "sens": "a sensitivity map",
    "src": "a list of sources that the pipeline detected",
    "stat": "statistics of the detector's frames",
    "sum": "a summary of the observation",
    "vv": "a report of validation and verification",
}
_BY_CONTENT = {
    "ASPHIST": "ahst",
    "ASPSOL": "asol",
    "BADPIX": "bpix",
    "EXPMAP": "exp",
    "FOV": "fov",
    "GTI": "flt",
    "MASK": "msk",
    "MTL": "mtl",
    "PBK": "pbk",
}
_BY_SUFFIX = {
    "lis": "a list of file names",
    "lst": "a list of file names",
    "log": "a log file",
    "par": "a parameter file",
    "reg": "a region file",
    "htm": "an HTML page",
    "html": "an HTML page",
    "pdf": "a document",
    "ps": "a document",
    **dict.fromkeys(("eps", "gif", "jpeg", "jpg", "png", "svg"), "a picture"),
}
# The last word of a name and its level: acisf04321_000N003_bpix1, pcadf04321_000N001_asol1, acisf04321_repro_fov1.
_WORD = re.compile(
    r"(?:^|_)([a-z]+)(?:\d[a-z]?)?(?:\.(?:fits?|asc|txt|html?|pdf|jpe?g))?(?:\.gz)?$", re.IGNORECASE | re.ASCII
)
_SUFFIX = re.compile(r"\.([a-z]+)(?:\.gz)?$", re.IGNORECASE | re.ASCII)


def known_product(name: str, contents: Iterable[str] = ()) -> str | None:
    """Say what a file that is not loaded is; None for one that is of no known kind.

    Parameters
    ----------
    name : str
        Base name.
    contents : iterable of str
        Of a FITS file: CONTENT and the extensions' names, in upper case.

    Examples
    --------
    >>> known_product("pcadf04321_000N001_asol1.fits.gz"), known_product("x.fits", ["BADPIX"])
    ('an aspect solution', 'bad pixels')
    >>> known_product("notes.txt") is None
    True
    """
    word, suffix = _WORD.search(name), _SUFFIX.search(name)
    if word and word[1].lower() in _BY_WORD:
        return _BY_WORD[word[1].lower()]
    for content in contents:
        if found := _BY_CONTENT.get(content.rstrip("0123456789")):  # MASK1, GTI7
            return _BY_WORD[found]
    return _BY_SUFFIX.get(suffix[1].lower()) if suffix else None
