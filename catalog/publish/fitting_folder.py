"""A folder of OGIP files for Sherpa, XSPEC and BXA: the spectra that a condition chooses, and all that belongs to them.

Each spectrum goes with its background, effective area and matrix; its header names them, by names without a path. A
response that several spectra share is written once. Event lists of the same detections come with their good times.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from astropy.io import fits

from catalog.catalog import Catalog
from catalog.errors import QueryError
from catalog.formats import ogip_files
from catalog.formats.whole_files import output_folder, write_whole
from catalog.query.filtering import checked
from catalog.schema import TABLES
from catalog.schema.columns import quote

Row = Mapping[str, object]
_BATCH_ROWS = 64

_SHARED = [
    quote(c.name) for c in TABLES["csc.observation_source"].columns if c.name in TABLES["product.spectrum"].column_names
]
_CHOSEN = f"""
SELECT spectrum_id, detection_id, arf_id, rmf_id, background_id FROM (
  SELECT s.*, o.* EXCLUDE ({", ".join(_SHARED)})
  FROM product.spectrum AS s LEFT JOIN csc.observation_source AS o ON o.detection_id = s.detection_id
) WHERE "role" = 'source' AND (%s
)"""
_SPECTRA = """
WITH chosen AS (%s)
SELECT s AS spectrum, h AS header, f.path, b AS background, bh AS background_header, bf.path AS background_path
FROM chosen JOIN product.spectrum AS s USING (spectrum_id)
LEFT JOIN meta.file AS f ON f.file_id = s.file_id LEFT JOIN product.header AS h ON h.file_id = s.file_id
LEFT JOIN product.spectrum AS b ON b.spectrum_id = s.background_id
LEFT JOIN meta.file AS bf ON bf.file_id = b.file_id LEFT JOIN product.header AS bh ON bh.file_id = b.file_id
ORDER BY f.path, s.spec_num, s.spectrum_id"""
_RESPONSES = """
WITH chosen AS (%s), wanted AS (SELECT {kind}_id AS id, min(spectrum_id) AS spectrum_id FROM chosen GROUP BY 1)
SELECT r AS response, h AS header, n.file_name
FROM wanted JOIN product.{kind} AS r ON r.{kind}_id = wanted.id
LEFT JOIN product.spectrum AS s ON s.spectrum_id = wanted.spectrum_id
LEFT JOIN product.header AS h ON h.file_id = s.file_id
LEFT JOIN (
  SELECT response_id, min(file_name) AS file_name FROM product.response_file WHERE kind = '{kind}' GROUP BY 1
) AS n ON n.response_id = wanted.id
ORDER BY n.file_name, wanted.id"""
_EVENT_FILES = """
WITH chosen AS (%s)
SELECT h AS header, f.path FROM product.header AS h LEFT JOIN meta.file AS f USING (file_id)
WHERE h.kind = 'events' AND h.detection_id IN (SELECT detection_id FROM chosen) ORDER BY f.path, h.file_id"""
_PHOTONS = """SELECT time_s, x, y, energy_ev, pi, ccd_id FROM product.event WHERE file_id = $file_id ORDER BY "row\""""
_GOOD_TIMES = "SELECT ccd_id, start_s, stop_s FROM product.good_time WHERE file_id = $file_id ORDER BY ALL"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    spectra, backgrounds, arfs, rmfs, event_lists : int
        Files of each kind.
    without_response : int
        Spectra whose matrix is not in the store.
    """

    spectra: int = 0
    backgrounds: int = 0
    arfs: int = 0
    rmfs: int = 0
    event_lists: int = 0
    without_response: int = 0

    def __str__(self) -> str:
        """Say it in one line."""
        text = (
            f"{self.spectra:,} spectra, {self.backgrounds:,} backgrounds, {self.arfs:,} arfs, {self.rmfs:,} rmfs, "
            f"{self.event_lists:,} event lists"
        )
        without = f"; {self.without_response:,} spectra have no rmf in the store" if self.without_response else ""
        return text + without


def write_fitting_files(
    cat: Catalog,
    folder: Path,
    where: str = "true",
    *,
    zipped: bool = False,
    snapshot: int | str | None = None,
) -> Written:
    """Write spectra and what belongs to them as OGIP files.

    Parameters
    ----------
    cat : Catalog
    folder : Path
        Made if it is not there; files of the same names are replaced.
    where : str
        SQL condition on columns of product.spectrum and csc.observation_source.
    zipped : bool
        Gzip each file; headers then name the files with .gz.
    snapshot : int or str, optional
        Of the store as it was.

    Raises
    ------
    QueryError
        If the condition is none, or no spectrum meets it, or the folder lies in the store.

    Examples
    --------
    >>> write_fitting_files(cat, Path("out"), "obsid = 4736")  # doctest: +SKIP
    Written(spectra=1, backgrounds=1, arfs=1, rmfs=1, event_lists=1, without_response=0)
    """
    job = _Job(
        cat, folder, cat.sql("SELECT 1", snapshot=snapshot).snapshot, _CHOSEN % checked(where, "--where"), zipped
    )
    if not job.ask(f"SELECT 1 FROM ({job.chosen}) LIMIT 1"):
        raise QueryError(f"no spectrum of a source meets {where!r}; see: SELECT * FROM product.spectrum WHERE {where}")
    output_folder(folder)
    linked: dict[str, dict[str, str]] = {}
    for kind, build in (("arf", ogip_files.area), ("rmf", ogip_files.matrix)):
        linked[kind] = {}
        for row in job.rows(_RESPONSES.format(kind=kind) % job.chosen):
            response = cast("Row", row["response"])
            key = str(response[f"{kind}_id"])
            name = job.free(_name(row["file_name"], f"{key}.{kind}"), key)
            linked[kind][key] = job.write(name, build(response, cast("Row", row["header"]) or {}))
    done = {"arfs": len(linked["arf"]), "rmfs": len(linked["rmf"])}
    return Written(**done, **_spectra(job, linked), event_lists=_events(job))


def _spectra(job: _Job, linked: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    n_spectra = n_without = 0
    backgrounds: dict[str, str] = {}
    for row in job.rows(_SPECTRA % job.chosen):
        spectrum, header = cast("Row", row["spectrum"]), cast("Row", row["header"]) or {}
        key = str(spectrum["spectrum_id"])
        name = job.free(_name(row["path"], f"{key}.pi"), key)
        links = {
            "ANCRFILE": linked["arf"].get(str(spectrum["arf_id"]), "none"),
            "RESPFILE": linked["rmf"].get(str(spectrum["rmf_id"]), "none"),
        }
        n_without += links["RESPFILE"] == "none"
        inside = ogip_files.background_of(spectrum)
        if inside is not None:
            own = job.free(_with_end(name, "_bkg"), key)
            links["BACKFILE"] = backgrounds[key] = job.write(own, ogip_files.spectrum(inside, header, {}))
        elif spectrum["background_id"] is not None and row["background"] is not None:
            known = str(spectrum["background_id"])
            if known not in backgrounds:
                own = job.free(_name(row["background_path"], f"{known}_bkg.pi"), known)
                told = {"role": "background"} | dict(cast("Row", row["background"]))
                made = ogip_files.spectrum(told, cast("Row", row["background_header"]) or {}, {})
                backgrounds[known] = job.write(own, made)
            links["BACKFILE"] = backgrounds[known]
        job.write(name, ogip_files.spectrum(spectrum, header, links))
        n_spectra += 1
    return {"spectra": n_spectra, "backgrounds": len(backgrounds), "without_response": n_without}


def _events(job: _Job) -> int:
    n = 0
    for row in job.rows(_EVENT_FILES % job.chosen):
        header = cast("Row", row["header"])
        found = {"file_id": header["file_id"]}
        photons, times = (
            job.cat.sql(q, snapshot=job.snapshot, parameters=found).arrow() for q in (_PHOTONS, _GOOD_TIMES)
        )
        name = job.free(_name(row["path"], f"{header['detection_id']}_evt.fits"), str(header["file_id"]))
        job.write(name, ogip_files.events(photons, header, times))
        n += 1
    return n


@dataclass
class _Job:
    """One run: where it reads and writes, and which names are taken."""

    cat: Catalog
    folder: Path
    snapshot: int
    chosen: str
    zipped: bool
    _taken: set[str] = field(default_factory=set)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        return self.cat.sql(query, snapshot=self.snapshot).fetchall()

    def rows(self, query: str) -> Iterator[dict[str, object]]:
        for batch in self.cat.sql(query, snapshot=self.snapshot).reader(_BATCH_ROWS):
            yield from batch.to_pylist()

    def free(self, name: str, key: str) -> str:
        """Return a name that no other file of this run has."""
        if name.lower() in self._taken:
            name = _with_end(name, f"_{key[:8]}")
        while name.lower() in self._taken:
            name = _with_end(name, "_")
        self._taken.add(name.lower())
        return name

    def write(self, name: str, made: fits.HDUList) -> str:
        """Write a file whole, and return the name that it has."""
        stream = io.BytesIO()
        made.writeto(stream, checksum=True)
        content = stream.getvalue()
        if self.zipped:
            name, content = f"{name}.gz", gzip.compress(content, mtime=0)
        write_whole(self.folder / name, content)
        return name


def _name(path: object, otherwise: str) -> str:
    """Return the base name of a file, or of a member of an archive, without .gz; it never leads out of a folder.

    Examples
    --------
    >>> _name("a/b.tar!4736.pi.gz", "x.pi"), _name("../victim", "x.pi"), _name("...gz", "x.pi")
    ('4736.pi', 'victim', 'x.pi')
    """
    name = re.split(r"[/\\]|::?|!", str(path or ""))[-1].split("?")[0]
    name = re.sub(r"\.gz$", "", name, flags=re.IGNORECASE)
    return name if name.strip(". ") and name.isprintable() else re.sub(r"[^\w.+-]", "_", otherwise)


def _with_end(name: str, end: str) -> str:
    """Put something before the suffix of a name.

    Examples
    --------
    >>> _with_end("4736.pi", "_bkg")
    '4736_bkg.pi'
    """
    path = Path(name)
    return f"{path.stem}{end}{path.suffix}"
