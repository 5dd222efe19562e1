"""A small survey as the catalog's services know it: sources, detections, products with checksums, papers."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from astropy.io import fits
from factories.fits import events_file, light_curve_file
from factories.ogip import arf, pha, rmf
from factories.regions import region_file

FILETYPES = {
    "regevt3": "regevt3",
    "reg3": "srcreg",
    "pha3": "spectrum",
    "arf3": "arf",
    "rmf3": "rmf",
    "lc3": "lightcurve",
    "evt3": "evt3",
}
MASTER = """
    name ra dec err_ellipse_r0 conf_flag sat_src_flag significance flux_aper_b flux_aper_lolim_b flux_aper_hilim_b
    flux_aper_w flux_aper_lolim_w flux_aper_hilim_w extent_flag hard_hm hard_hm_lolim hard_hm_hilim hard_ms
    hard_ms_lolim hard_ms_hilim var_intra_index_b var_inter_index_b var_intra_index_w var_inter_index_w hard_hs
""".split()  # noqa: SIM905 - as a list it takes a line for each
OBSERVATION = """
    obsid obi region_id instrument theta phi livetime conf_code sat_src_flag flux_significance_b flux_significance_w
    detector extent_code mjr_axis_raw_b mnr_axis_raw_b pos_angle_raw_b mjr_axis_raw_w mnr_axis_raw_w pos_angle_raw_w
    cnts_aper_b cnts_aper_w src_rate_aper_b src_rate_aper_w flux_aper_b flux_aper_lolim_b flux_aper_hilim_b
    flux_aper_w flux_aper_lolim_w flux_aper_hilim_w hard_hm hard_hm_lolim hard_hm_hilim hard_ms hard_ms_hilim
    hard_ms_lolim var_index_b var_index_w hard_hs var_prob_b src_cnts_aper_b
""".split()  # noqa: SIM905 - as a list it takes a line for each


@dataclass(frozen=True)
class Streamed:
    """A body too large to hold: its length, and what yields it."""

    length: int
    pieces: Callable[[], Iterator[bytes]]


@dataclass
class Survey:
    """What the services know.

    `sources`: rows of master_source; `detections`: rows of observation_source with `name` and `match_type`;
    `files`: name -> gzipped bytes; `papers`: ADS records; `objects`: object's name -> bibcodes.
    """

    sources: list[dict] = field(default_factory=list)
    detections: list[dict] = field(default_factory=list)
    files: dict[str, bytes | Streamed] = field(default_factory=dict)
    papers: dict[str, dict] = field(default_factory=dict)
    objects: dict[str, list[str]] = field(default_factory=dict)

    def add_source(self, ra: float, dec: float, **given) -> str:
        name = csc_name(ra, dec)
        self.sources.append({"name": name, "ra": ra, "dec": dec, "significance": 7.5, "hard_hs": 0.25, **given})
        return name

    def add_detection(self, name: str, obsid: int, region_id: int, **given) -> dict:
        usual = {"obi": 0, "instrument": "ACIS", "theta": 3.0, "livetime": 9800.0, "hard_hs": -0.5, "var_prob_b": 0.5}
        usual |= {"flux_significance_b": 6.0, "src_cnts_aper_b": 40.0, "cnts_aper_b": 50, "match_type": "u"}
        row = {**usual, "name": name, "obsid": obsid, "region_id": region_id, **given}
        self.detections.append(row)
        return row

    def add_products(
        self, row: Mapping, kinds=("regevt3", "reg3", "pha3", "arf3", "rmf3", "lc3"), version: int = 27
    ) -> None:
        for kind in kinds:
            self.files[product_name(row, kind, version)] = product(row, kind)

    def add_papers(self, name: str, n: int, year: int = 2020) -> list[str]:
        codes = [f"{year}ApJ...{len(self.papers) + i:03d}....1X" for i in range(n)]
        for code in codes:
            title = [f"On {name}, {code}"]
            self.papers[code] = {"bibcode": code, "title": title, "year": code[:4], "citation_count": 3}
        self.objects.setdefault(name, []).extend(codes)
        return codes


def csc_name(ra: float, dec: float) -> str:
    """A source's name from its position, truncated as the catalog does."""
    tenths = int(ra / 15 * 36000)
    seconds = int(abs(dec) * 3600)
    h, m, s = tenths // 36000, tenths // 600 % 60, tenths % 600 / 10
    sign = "-" if dec < 0 else "+"
    return f"2CXO J{h:02d}{m:02d}{s:04.1f}{sign}{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"


def product_name(row: Mapping, kind: str, version: int) -> str:
    band = ("b" if row["instrument"] == "ACIS" else "w") if kind == "lc3" else ""
    region = "" if kind == "evt3" else f"_r{row['region_id']:04d}{band}"
    return f"{row['instrument'].lower()}f{row['obsid']:05d}_{row['obi']:03d}N{version:03d}{region}_{kind}.fits"


def product(row: Mapping, kind: str, n: int = 20) -> bytes:
    """One gzipped product with the checksums that the real ones carry."""
    keys = {"OBS_ID": str(row["obsid"]), "OBI_NUM": row["obi"], "REGIONID": f"{row['region_id']:04d}"}
    seed = row["obsid"] * 100 + row["region_id"]
    if kind == "regevt3":
        raw = events_file(n=n, seed=seed, content="REGEVT3", obs_id=str(row["obsid"]), header=keys)
    elif kind == "evt3":
        raw = events_file(n=n, seed=seed, content="EVT3", obs_id=str(row["obsid"]))
    elif kind == "reg3":
        raw = region_file({"ECF90REGB": [("Circle", [4100.0], [4100.0], [9.0], 0.0, 1)]}, header=keys)
    elif kind == "lc3":
        raw = light_curve_file(seed=seed, header=keys)
    elif kind == "pha3":
        base = product_name(row, "pha3", 27).rpartition("_")[0]
        raw = pha(**keys, ANCRFILE=f"{base}_arf3.fits", RESPFILE=f"{base}_rmf3.fits")
    else:
        raw = arf(**keys) if kind == "arf3" else rmf(**keys)
    out = io.BytesIO()
    with fits.open(io.BytesIO(raw)) as hdus:
        hdus.writeto(out, checksum=True)
    return gzip.compress(out.getvalue(), 6, mtime=0)


def small_survey(
    n_sources: int = 3, *, per_source: int = 1, products: bool = True, ra: float = 148.97, dec: float = 69.68
):
    """Sources in a row, a minute of arc apart, each with a few detections and their products."""
    survey = Survey()
    for i in range(n_sources):
        name = survey.add_source(ra % 360.0, dec + i / 60)
        for k in range(per_source):
            row = survey.add_detection(name, 10542 + k, i + 1)
            if products:
                survey.add_products(row)
    return survey
