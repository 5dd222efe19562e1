"""What is this file? By content, never by its extension alone.

FITS files are told apart by the HDU classes and extension names of their tables (OGIP memos OGIP/92-007,
CAL/GEN/92-002), everything else by how its text begins.

Files of Chandra's archive and of CIAO that are not loaded are named for what they are: whoever reads `ingest status`
should see that they were met. Source: CIAO "Data products" guide (names and CONTENT of level 0 to 2); CSC 2 "Data
Product File Names".
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from catalog.errors import UnreadableFile
from ingest.archives import is_archive
from ingest.detect_text import detect_text, why_not
from ingest.fits import HDU, read_hdus
from ingest.products.regions import is_region
from ingest.readers import JOINS_AS_IT_IS, FileName
from ingest.simulate.truth import is_truth
from ingest.tables.binary_tables import is_ascii_table
from ingest.tables.column_names import names_sources

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


HEAD = 1 << 16
MAX_REPLAY = 64 << 20
"""Bytes read at most to find the first table: an image before it (WMAP) is a few MB."""


ARCHIVE = "archive"
"""Kind of what has no rows of its own, but files in it."""


@dataclass(frozen=True)
class Kind:
    """What a file is: a kind that has a reader, or none and the reason why."""

    name: str
    reason: str = ""

    @property
    def readable(self) -> bool:
        """Whether a reader exists for it."""
        return self.name != "other"


class ReplayStream(io.RawIOBase):
    """A forward-only stream whose beginning can be read again.

    Examples
    --------
    >>> stream = ReplayStream(io.BytesIO(b"SIMPLE"))
    >>> stream.read(3), stream.rewind(), stream.read(6), stream.read(6)
    (b'SIM', None, b'SIM', b'PLE')
    """

    def __init__(self, inner: io.RawIOBase | BinaryIO) -> None:
        self._inner = inner
        self._kept = bytearray()
        self._position = 0
        self._keeping = True

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read once more what was kept, then from the stream."""
        again = bytes(self._kept[self._position : self._position + len(buffer)])
        if again:
            buffer[: len(again)] = again
            self._position += len(again)
            if not self._keeping and self._position == len(self._kept):
                self._kept, self._position = bytearray(), 0
            return len(again)
        n: int = self._inner.readinto(buffer) or 0  # type: ignore[union-attr]
        if self._keeping:
            self._kept += buffer[:n]
            self._position += n
            if len(self._kept) > MAX_REPLAY:
                raise UnreadableFile("a table within the file's first 64 MiB", "none")
        return n

    def rewind(self, *, keep: bool = False) -> None:
        """Go back to the beginning; unless `keep`, for the last time."""
        self._position, self._keeping = 0, keep


def detect(stream: ReplayStream, file: FileName) -> Kind:
    """Tell what a file is from its first bytes; leaves the stream rewound.

    Parameters
    ----------
    stream : ReplayStream
        Decompressed content.
    file : FileName
        Only to name known products that are not loaded.

    Raises
    ------
    UnreadableFile
        If it begins like a FITS file and is damaged.
    """
    head = _read_head(stream)
    stream.rewind(keep=True)
    kind = _detect(head, stream, file)
    stream.rewind()
    return kind


def _detect(head: bytes, stream: ReplayStream, file: FileName) -> Kind:
    if head.startswith(b"SIMPLE  ="):
        buffered = io.BufferedReader(stream, HEAD)
        try:
            return _detect_fits(buffered, file)
        finally:
            buffered.detach()  # else its end would close the stream
    if is_truth(head):
        return Kind("truth")
    if is_archive(head, file.name):
        return Kind(ARCHIVE)
    if why := _packed(head):
        return Kind("other", why)
    name = "source_table" if head.startswith(b"PAR1") else detect_text(head, file.name)
    return Kind(name) if name else Kind("other", _describe(head, file))


def _packed(head: bytes) -> str:
    """Say why there is nothing to read in a file that is empty, or packed in a way that is not read."""
    if not head:
        return "the file is empty"
    if head.startswith(_ZIP):
        return "the file of some program, such as a spreadsheet: save what you need of it as CSV or FITS"
    packed = next((what for magic, what in _PACKED.items() if head.startswith(magic)), None)
    return f"{packed}: unpack it, and ingest what comes out" if packed else ""


def _read_head(stream: ReplayStream) -> bytes:
    head = b""
    while len(head) < HEAD and (piece := stream.read(HEAD - len(head))):
        head += piece
    return head


def _detect_fits(stream: BinaryIO, file: FileName) -> Kind:
    seen: list[str] = []
    contents: list[str] = []
    kind, has_table = None, False
    for hdu in read_hdus(stream):
        if name := classify(hdu):
            # Energies of channels stand in files of many kinds: another table decides, where there is one.
            kind = kind or name
            if not is_ebounds(hdu):
                return Kind(name)
        has_table = has_table or hdu.is_table
        seen.append(hdu.name or ("primary" if hdu.index == 0 else "unnamed"))
        contents += [hdu.name, (hdu.text("CONTENT") or "").upper()]
        if hdu.index == 0 and hdu.size > MAX_REPLAY // 2:
            break  # a large image: whatever follows is not what a reader here wants
    if kind:
        return Kind(kind)
    joins = f" ({JOINS_AS_IT_IS})" if has_table else ""
    return Kind("other", _not_loaded(file, f"a FITS file of {', '.join(seen)}{joins}", contents))


def classify(hdu: HDU) -> str | None:
    """Name the kind of reader for one HDU; None if it decides nothing.

    Examples
    --------
    >>> classify(HDU(1, {"XTENSION": "BINTABLE", "EXTNAME": "EVENTS"}, 0, io.BytesIO()))
    'events'
    """
    if is_ascii_table(hdu):
        return "source_table" if names_sources(hdu.column_names) else None
    if not hdu.is_table:
        return None
    words = _classes(hdu)
    for kind, names in _CLASSES.items():
        if words & names:
            return kind
    if is_region(hdu):
        return "region"
    columns = {name.lower() for name in hdu.column_names}
    is_catalog = bool(columns & _SOURCE_NAMES) or names_sources(hdu.column_names)
    return "source_table" if is_catalog else None


def is_ebounds(hdu: HDU) -> bool:
    """Tell whether an HDU holds nothing but the nominal energies of channels.

    Examples
    --------
    >>> is_ebounds(HDU(1, {"XTENSION": "BINTABLE", "EXTNAME": "EBOUNDS"}, 0, io.BytesIO()))
    True
    """
    return hdu.is_table and "EBOUNDS" in _classes(hdu)


def _classes(hdu: HDU) -> set[str]:
    return {hdu.name, *(str(hdu.header.get(k) or "").upper().strip() for k in ("HDUCLAS1", "HDUCLAS2"))}


# Order matters: a response's EBOUNDS carries HDUCLAS1 = 'RESPONSE' as its area does.
_CLASSES: dict[str, frozenset[str]] = {
    "events": frozenset({"EVENTS"}),
    "spectrum": frozenset({"SPECTRUM"}),
    "arf": frozenset({"SPECRESP"}),
    "rmf": frozenset({"RSP_MATRIX", "MATRIX", "SPECRESP MATRIX", "EBOUNDS"}),
    "light_curve": frozenset({"LIGHTCURVE", "RATE"}),
}
_SOURCE_NAMES = frozenset({"name", "master_source.name", "m.name", "2cxo", "iauname"})

_ZIP = b"PK\x03\x04"
_PACKED = {
    b"\x1f\x9d": "a file packed by compress (.Z)",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
    b"\x04\x22\x4d\x18": "a file packed by lz4",
}


def _not_loaded(file: FileName, otherwise: str, contents: Sequence[str] = ()) -> str:
    what = known_product(file.name, contents)
    return f"{what}: photonlake loads no such product" if what else f"{otherwise}: nothing here that photonlake loads"


def _describe(head: bytes, file: FileName) -> str:
    """Say in a few words what an unrecognised file looks like."""
    text = head[:512].decode("utf-8", "replace").strip()
    lines = _lines(text)
    if text.lower().startswith(("<!doctype html", "<html")):
        return "an HTML page, perhaps a service's error saved under a data file's name: fetch it again"
    is_text = not {"\ufffd", "\0"} & set(text)
    if is_text and file.name.lower().endswith((".fits", ".fit", ".evt", ".pi", ".pha", ".arf", ".rmf", ".lc")):
        return f"text where a FITS file should be ({next(lines, '')[:60]!r}): a broken link? fetch the file it names"
    return _not_loaded(file, why_not(head, file.name) if is_text else "binary data of no known format")


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
