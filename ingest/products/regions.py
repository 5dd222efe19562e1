"""Regions: where photons of a source and of its background were taken from -> product.region.

Three kinds of files tell it: the catalog's reg3 (FITS tables), a user's .reg (text of DS9 or CIAO), and the header of
a spectrum, which holds the region that its photons were taken from.

Source: CXC "ASC Region Specification"; CSC 2 "Source Region Data Product" page: release 2 has the ellipse of 90 % of
the point-spread function in each band (ECF90REGB, ...), release 1 the region of all bands (SRCREG) and that of the
background (BKGREG). A second header component, 2DSVAL, is of other chips of the same region.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from catalog.schema.identifiers import detection_id, parse_product_name
from ingest.fits import HDU, read_hdus, resolve
from ingest.products.headers import Identity, SkyWCS, header_batch, header_flags, identity, instrument, sky_wcs
from ingest.products.ogip import SmallTable
from ingest.products.region_text import Component, RegionText, Role, read_expression, read_regions
from ingest.products.shapes import Placed, Shape, basic_shapes, circumscribed, placed
from ingest.readers import FileName, Flag, Rows

LARGEST = 16 << 20
"""Bytes of a region file, at most: the largest seen have 100 kB."""
_MAX_SHAPES = 10_000
_TABLE = re.compile(r"(?:ECF\d+REG|SRCREG|BKGREG|REGION)")
_BAND = re.compile(r"ECF\d+REG([BSMHUW])")
_BACKGROUND = re.compile(r"(?:^|[^a-z])(?:bkg|bg|back|background)(?:[^a-z]|$)", re.IGNORECASE)
_OF_DETECTION = re.compile(
    r"(?:acis|hrc)f(?P<obsid>\d{5,6})_(?P<obi>\d{3})(?:N(?P<version>\d{3}))?(?:_e[12])?_r(?P<region>\d{4,5})(?P<band>[bsmhuw])?"
    r"(?![0-9])|^(?P<obsid2>\d{1,6})\.(?P<obi2>\d{1,3})\.(?P<region2>\d{1,5})(?![0-9])",
    re.IGNORECASE | re.ASCII,
)
# Centre (pixels) and step (deg/pixel) of the sky pixels: the reference pixel is where RA_NOM and DEC_NOM are.
_PIXELS = {"ACIS": (4096.5, 0.492 / 3600), "HRC-I": (16384.5, 0.13175 / 3600), "HRC-S": (32768.5, 0.13175 / 3600)}


def read_region(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    """Read a file of regions, FITS or text.

    Parameters
    ----------
    stream : binary file
        Decompressed content.
    file : FileName
        Its name and key; of a text file the name alone may tell the detection.

    Yields
    ------
    Rows
        Of product.region; for a FITS file then product.header.
    Flag
        region_not_read: WORD where a shape or frame is not known, and what `header_flags` says.

    Raises
    ------
    UnreadableFile
        If no region can be read from it.
    """
    data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UnreadableFile(f"a region file of at most {LARGEST >> 20} MiB", "a larger one")
    yield from _read_fits(data, file) if data.startswith(b"SIMPLE") else _read_text(data, file)


def is_region(hdu: HDU) -> bool:
    """Tell whether a table holds source or background regions; masks and fields of view are regions of other kinds.

    Examples
    --------
    >>> table = {"XTENSION": "BINTABLE", "EXTNAME": "ECF90REGB", "TTYPE1": "X", "TTYPE2": "Y", "TTYPE3": "SHAPE"}
    >>> is_region(HDU(1, table, 0, io.BytesIO()))
    True
    """
    names = {str(hdu.header.get(f"TTYPE{n}") or "").upper().strip() for n in range(1, 20)}
    content = (hdu.text("CONTENT") or "").upper()
    return (
        hdu.is_table
        and bool(_TABLE.match(hdu.name))
        and content not in {"FOV", "MASK"}
        and {"SHAPE", "X", "Y"} <= names
    )


def spectrum_regions(hdus: Iterable[HDU], file: FileName) -> list[Rows]:
    """Read the regions that spectra's photons were taken from, out of their headers; nothing where none is told.

    The data subspace (DSTYPn, DSVALn) of CIAO's tools names it: ``sky`` and ``Ellipse(...)&!Ellipse(...)``.

    Parameters
    ----------
    hdus : iterable of HDU
        The spectra of the file.
    file : FileName
        Its name.
    """
    regions: _Regions | None = None
    for hdu in hdus:
        if regions is None:
            regions = _Regions(identity(hdu, file), file, "spectrum", _version(file), hdu.text("ASCDSVER"))
        for text in _subspace(hdu):
            regions.add(_of_role(read_expression(text).components, _role(hdu)), None, _wcs(hdu, file))
    return regions.rows() if regions is not None else []


def _subspace(hdu: HDU) -> Iterator[str]:
    """Yield the region of a header's data subspace, if it has one."""
    for n in range(1, 60):
        text = str(hdu.header.get(f"DSVAL{n}") or "")
        if "(" in text and str(hdu.header.get(f"DSTYP{n}") or "").lower().startswith(("sky", "pos")):
            yield text
            return


_Member = tuple[int, Component, SkyWCS | None]


class _Regions:
    """The regions of one file on their way into product.region.

    Those of one role and band are one region; in a file that names no detection, each component is one.
    """

    def __init__(
        self, whose: Identity, file: FileName, told_by: str, version: int | None, ascdsver: str | None = None
    ) -> None:
        self._constants = {"file_id": file.file_id, **whose._asdict(), "told_by": told_by}
        self._constants |= {"version": version, "ascdsver": ascdsver}
        self._one_each = whose.detection_id is None
        self._found: list[tuple[Component, str | None, SkyWCS | None]] = []

    def add(self, components: Iterable[Component], band: str | None, wcs: SkyWCS | None) -> None:
        """Add components, alternatives to those that are there."""
        self._found += [(component, band, wcs) for component in components]
        if sum(len(c.shapes) for c, _, _ in self._found) > _MAX_SHAPES:
            raise UnreadableFile(f"regions of at most {_MAX_SHAPES:,} shapes", "more")

    def rows(self) -> list[Rows]:
        """Return all rows; none where nothing was added."""
        groups: dict[tuple[Role, str | None, int], list[_Member]] = {}
        for number, (component, band, wcs) in enumerate(self._found, 1):
            key = (component.role, band, number if self._one_each else 0)
            groups.setdefault(key, []).append((number, component, wcs))
        rows = [row for (_, band, _), members in groups.items() for row in self._of_region(members, band)]
        numbered = [self._constants | row | {"row": i} for i, row in enumerate(rows)]
        schema = TABLES["product.region"].schema
        return [Rows("product.region", pa.RecordBatch.from_pylist(numbered, schema))] if rows else []

    @staticmethod
    def _of_region(members: Sequence[_Member], band: str | None) -> Iterator[dict[str, object]]:
        shapes = [shape for _, component, _ in members for shape in component.shapes]
        one_frame = len({s.frame for s in shapes}) == 1
        whole = placed(circumscribed(shapes), members[0][2]) if one_frame else Placed(*[None] * 6)
        around = {f"{name}_region": values and values[0] for name, values in whole._asdict().items()}
        around["r_region_arcsec"] = around.pop("r_arcsec_region")
        for number, component, wcs in members:
            for shape in component.shapes:
                yield (
                    around
                    | placed(shape, wcs)._asdict()
                    | {
                        "role": component.role,
                        "band": band,
                        "component": number,
                        "include": shape.include,
                        "shape": shape.kind,
                        "rotang": shape.rotang if shape.kind == "ellipse" else None,
                    }
                )


def _read_fits(data: bytes, file: FileName) -> Iterator[Rows | Flag]:
    regions: _Regions | None = None
    header: list[Rows] = []
    flags: dict[str, None] = {}
    seen = []
    name = parse_product_name(file.name)
    for hdu in read_hdus(io.BytesIO(data)):
        seen.append(hdu.name or f"HDU {hdu.index}")
        if not is_region(hdu):
            continue
        if regions is None:
            regions = _Regions(identity(hdu, file), file, "reg3", _version(file), hdu.text("ASCDSVER"))
            header = [Rows("product.header", header_batch(hdu, file, "region", hdu.n_rows))]
        found = _table_regions(hdu)
        flags |= dict.fromkeys([*header_flags(hdu), *(f"region_not_read: {word}" for word in found.unread)])
        band = match[1].lower() if (match := _BAND.match(hdu.name)) else name.band if name else None
        regions.add(_of_role(found.components, _role(hdu)), band, _wcs(hdu, file))
    rows = regions.rows() if regions is not None else []
    if not rows:
        raise UnreadableFile("a table of regions with circles, ellipses, boxes or polygons", ", ".join([*seen, *flags]))
    yield from (*rows, *header)
    yield from map(Flag, flags)


def _read_text(data: bytes, file: FileName) -> Iterator[Rows | Flag]:
    found = read_regions(data.decode("utf-8", "replace"))
    whose, version, band = _named(file)
    regions = _Regions(whose, file, "reg", version)
    components = found.components
    regions.add(_of_role(components, "background") if _BACKGROUND.search(file.name) else components, band, None)
    rows = regions.rows()
    if not rows:
        what = ", ".join(dict.fromkeys(found.unread)) or "none"
        advice = "save it in physical or fk5 coordinates"
        raise UnreadableFile("circles, ellipses, boxes or polygons in sky pixels or on the sky", what, advice)
    yield from rows
    yield from map(Flag, dict.fromkeys(f"region_not_read: {word}" for word in found.unread))


def _of_role(components: Iterable[Component], role: Role) -> list[Component]:
    return [replace(component, role=role) for component in components]


def _named(file: FileName) -> tuple[Identity, int | None, str | None]:
    """Tell which detection, version and band the name of a text file says."""
    match = _OF_DETECTION.search(file.name)
    if match is None:
        return Identity(None, None, None, None), None, None
    obsid, obi, region = (int(match[k] or match[f"{k}2"]) for k in ("obsid", "obi", "region"))
    version = int(match["version"]) if match["version"] else None
    band = match["band"].lower() if match["band"] else None
    return Identity(obsid, obi, region, detection_id(obsid, obi, region)), version, band


def _version(file: FileName) -> int | None:
    name = parse_product_name(file.name)
    return name.version if name else None


def _role(hdu: HDU) -> Role:
    said = {hdu.name, (hdu.text("CONTENT") or "").upper(), (hdu.text("HDUCLAS2") or "").upper()}
    return "background" if said & {"BKGREG", "BKG"} or hdu.name.startswith("BKG") else "source"


def _table_regions(hdu: HDU) -> RegionText:
    """Read the shapes of a table; a component with a shape that is not known is left out."""
    table = SmallTable(hdu)
    words = table.texts("SHAPE") or []
    x, y = (table.rows(name) or [] for name in ("X", "Y"))
    r, rotang = (table.rows(name) or [np.empty(0)] * len(words) for name in ("R", "ROTANG"))
    told = table.numbers("COMPONENT")
    turn = math.degrees(1) if _unit(hdu, "ROTANG") == "rad" else 1.0  # release 1 says pixel, and means degrees
    numbers = range(len(words)) if told is None else [int(v) if math.isfinite(v) else -1 for v in told]
    shapes: dict[int, list[Shape]] = {}
    unread: dict[int, str] = {}
    for i, (word, component) in enumerate(zip(words, numbers, strict=True)):
        plain = word.strip().lstrip("!")
        angle = float(rotang[i][0]) if len(rotang[i]) and math.isfinite(rotang[i][0]) else 0.0
        template = Shape("", (), (), include=not word.strip().startswith("!"))
        radii = np.trim_zeros(np.nan_to_num(r[i]), "b").tolist()  # as long as the longest shape of the table needs
        made = basic_shapes(plain, x[i].tolist(), y[i].tolist(), radii, turn * angle, template)
        if made is None:
            unread[component] = plain.lower()
        else:
            shapes.setdefault(component, []).extend(made)
    whole = [s for c, s in shapes.items() if c not in unread]
    cut = [s for c in whole if not any(s.include for s in c) for s in c]  # alone, it is cut out of all
    kept = [Component((*c, *cut)) for c in whole if any(s.include for s in c)]
    lost = any(all(words[i].strip().startswith("!") for i, n in enumerate(numbers) if n == c) for c in unread)
    return RegionText([] if lost else kept, list(dict.fromkeys(unread.values())))


def _unit(hdu: HDU, column: str) -> str:
    name = resolve(hdu.fields, column)
    return next((f.unit.lower() for f in hdu.fields if f.name == name), "")


def _wcs(hdu: HDU, file: FileName) -> SkyWCS | None:
    """Return the projection of the sky pixels: of the columns, else the nominal one of the instrument."""
    if hdu.is_table and (wcs := sky_wcs(hdu)):
        return wcs
    ra, dec = hdu.number("RA_NOM"), hdu.number("DEC_NOM")
    detector = hdu.text("DETNAM") or ""
    key = detector.upper()[:5] if instrument(hdu, file) == "HRC" else instrument(hdu, file)
    if ra is None or dec is None or key not in _PIXELS:
        return None
    centre, step = _PIXELS[key]
    return SkyWCS(centre, ra, -step, centre, dec, step)
