"""The catalog's data products: what they are called, by whom, how large they are.

Source: CSC 2 "Data Products" pages; the file types of CIAO's search_csc; sizes are those of real files, and
only for an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from catalog.schema.identifiers import parse_product_name
from ingest.superseded import key_of

BANDS = {"b": "ACIS", "s": "ACIS", "m": "ACIS", "h": "ACIS", "u": "ACIS", "w": "HRC"}
"""Energy band -> instrument that has it."""


@dataclass(frozen=True)
class Product:
    """One kind of data product.

    Attributes
    ----------
    name : str
        What users type, as in search_csc.
    kind : str
        As file names end: 'pha3'.
    filetype : str
        What the service calls it.
    by_region : bool
        One file per detection; else one per observation.
    banded : bool
        One file per energy band.
    acis_only : bool
        HRC has none.
    typical_bytes : int
        Size of a gzipped file.
    bytes_per_count : int
        What each count in the source's aperture adds.
    """

    name: str
    kind: str
    filetype: str
    by_region: bool
    banded: bool
    acis_only: bool
    typical_bytes: int
    bytes_per_count: int = 0


PRODUCTS: dict[str, Product] = {
    p.name: p
    for p in (
        Product("regevt", "regevt3", "regevt3", True, False, False, 25_000, 60),
        Product("pha", "pha3", "spectrum", True, False, True, 25_000),
        Product("arf", "arf3", "arf", True, False, False, 15_000),
        Product("rmf", "rmf3", "rmf", True, False, True, 1_300_000),
        Product("lc", "lc3", "lightcurve", True, True, False, 8_000),
        Product("reg", "reg3", "srcreg", True, False, False, 4_000),
        Product("psf", "psf3", "psf", True, True, False, 60_000),
        Product("regimg", "regimg3", "regimg", True, True, False, 15_000),
        Product("regexp", "regexp3", "regexpmap", True, True, False, 15_000),
        Product("draws", "draws3", "draws", True, True, False, 150_000),
        Product("aperphot", "phot3", "aperphot", True, True, False, 30_000),
        Product("evt", "evt3", "evt3", False, False, False, 25_000_000),
        Product("asol", "asol3", "aspsol3", False, False, False, 6_000_000),
        Product("ahst", "ahst3", "asphist", False, False, False, 200_000),
        Product("bpix", "bpix3", "badpix3", False, False, False, 30_000),
        Product("fov", "fov3", "fov3", False, False, False, 6_000),
        Product("img", "img3", "ecorrimg", False, True, False, 3_000_000),
        Product("bkgimg", "bkgimg3", "bkgimg", False, True, False, 6_000_000),
        Product("exp", "exp3", "expmap", False, True, False, 4_000_000),
        Product("poly", "poly3", "poly3", False, True, False, 30_000),
    )
}
USUAL = ("regevt", "reg", "pha", "arf", "rmf", "lc")


class Detection(NamedTuple):
    """What of a table's row says where its products are."""

    name: str
    obsid: int
    obi: int
    region_id: int
    instrument: str
    counts: float = 0.0

    @property
    def folder(self) -> str:
        """Folder of its files, as search_csc lays them out.

        Examples
        --------
        >>> Detection("2CXO J095550.1+694046", 10542, 0, 17, "ACIS").folder
        '2CXOJ095550.1+694046/10542_000'
        """
        return f"{self.name.replace(' ', '')}/{self.obsid:05d}_{self.obi:03d}"


class Wanted(NamedTuple):
    """One file that a detection should have."""

    detection: Detection
    product: Product
    band: str

    @property
    def packageset(self) -> str:
        """How the service is asked for it.

        Examples
        --------
        >>> d = Detection("2CXO J095550.1+694046", 10542, 0, 17, "ACIS")
        >>> Wanted(d, PRODUCTS["pha"], "").packageset, Wanted(d, PRODUCTS["lc"], "b").packageset
        ('10542.0.17/spectrum/', '10542.0.17/lightcurve/b')
        """
        region = self.detection.region_id if self.product.by_region else ""
        return f"{self.detection.obsid}.{self.detection.obi}.{region}/{self.product.filetype}/{self.band}"

    @property
    def key(self) -> tuple[int, int, int | None, str, str]:
        """What a file's name must say to be this one: all but detector and N-version."""
        region = self.detection.region_id if self.product.by_region else None
        return (self.detection.obsid, self.detection.obi, region, self.band, self.product.kind)

    @property
    def about_bytes(self) -> int:
        """Estimated size."""
        return self.product.typical_bytes + int(self.product.bytes_per_count * self.detection.counts)


def wanted(detections: Iterable[Detection], products: Sequence[str], bands: Sequence[str]) -> Iterator[Wanted]:
    """List the files that detections should have, each once.

    Parameters
    ----------
    detections : iterable of Detection
    products : sequence of str
        Names of `PRODUCTS`.
    bands : sequence of str
        Of banded products, those that the instrument has.

    Examples
    --------
    >>> two = [Detection("2CXO J000000.0+000000", 1, 0, r, "HRC") for r in (1, 2)]
    >>> [w.packageset for w in wanted(two, ("pha", "arf", "evt", "lc"), ("b", "w"))]
    ['1.0.1/arf/', '1.0./evt3/', '1.0.1/lightcurve/w', '1.0.2/arf/', '1.0.2/lightcurve/w']
    """
    seen: set[tuple[int, int, int | None, str, str]] = set()
    for detection in detections:
        instrument = detection.instrument.strip().upper()
        for name in products:
            product = PRODUCTS[name]
            if product.acis_only and instrument == "HRC":
                continue
            for band in (b for b in bands if BANDS[b] == instrument) if product.banded else ("",):
                file = Wanted(detection, product, band)
                if file.key not in seen:
                    seen.add(file.key)
                    yield file


def newest(names: Iterable[str]) -> dict[tuple[int, int, int | None, str, str], str]:
    """Keep of each product the file of the highest N-version.

    Examples
    --------
    >>> newest(["acisf00001_000N002_r0001_pha3.fits", "acisf00001_000N010_r0001_pha3.fits", "readme.txt"])
    {(1, 0, 1, '', 'pha3'): 'acisf00001_000N010_r0001_pha3.fits'}
    """
    best: dict[tuple[int, int, int | None, str, str], tuple[int, str]] = {}
    for name in names:
        product = parse_product_name(name)
        if product is not None:
            key = key_of(product)
            best[key] = max(best.get(key, (-1, "")), (product.version, name))
    return {key: name for key, (_, name) in best.items()}
