"""A table of the store as a HATS catalog: Parquet by pieces of the sky, with a margin cache; LSDB opens it.

The engine sorts the rows by their HEALPix number, on disk where memory does not suffice, and they are written as they
come: so no more than a batch is held. A run that was ended goes on where it was: partitions that are whole stay.
Source: the HATS standard (IVOA note, Caplar et al. 2025), version 1.0.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.catalog import Catalog
from catalog.errors import UnknownName, suggestion
from catalog.formats.whole_files import output_folder
from catalog.publish.hats_files import HatsFiles, check_same, write_properties
from catalog.publish.partitions import ORDER, Ints, margin_order, margins, partition
from catalog.publish.sky_places import healpix_numbers, sky_places
from catalog.schema import TABLES
from catalog.schema.columns import quote
from sql.objects import Described

HEALPIX = "_healpix_29"
_PLACED = "photonlake_placed"
_FINEST = 10
_BATCH_ROWS = 1 << 15
_POSITION = {
    "ra": Described("ra", "Right ascension, ICRS", "deg", "pos.eq.ra;meta.main"),
    "dec": Described("dec", "Declination, ICRS", "deg", "pos.eq.dec;meta.main"),
    HEALPIX: Described(HEALPIX, "HEALPix number in nested order, order 29", ucd="pos.healpix"),
}

_NESTED = """struct_pack(
  channel := range(s.first_channel, s.first_channel + n_listed),
  e_min_kev := list_resize(coalesce(r.e_min, []), n_listed),
  e_max_kev := list_resize(coalesce(r.e_max, []), n_listed),
  counts := list_resize(coalesce(s.counts, []), n_listed),
  rate := list_resize(coalesce(s.rate, []), n_listed),
  background_counts := list_resize(coalesce(s.background_counts, []), n_listed)
) AS spectrum, s.exposure_s AS spectrum_exposure_s, s.backscal AS spectrum_backscal,
s.background_exposure_s AS spectrum_background_exposure_s, s.background_backscal AS spectrum_background_backscal"""
# Of several spectra of a detection, the one of the highest N-version, then the one with a matrix.
_SPECTRUM = """LEFT JOIN (
  SELECT p.*, len(coalesce(p.counts, p.rate))::BIGINT AS n_listed
  FROM product.spectrum AS p LEFT JOIN product.header AS h USING (file_id) WHERE p."role" = 'source'
  QUALIFY row_number() OVER (PARTITION BY p.detection_id
    ORDER BY coalesce(h.version, -1) DESC, p.rmf_id IS NULL, p.spectrum_id) = 1
) AS s ON s.detection_id = t.detection_id LEFT JOIN product.rmf AS r ON r.rmf_id = s.rmf_id"""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    rows, partitions, margin_rows : int
    without_position : int
        Rows that are on no place of the sky, and so not in the catalog.
    kept : int
        Partitions that an earlier run of the same export had written.
    """

    rows: int
    partitions: int
    margin_rows: int
    without_position: int
    kept: int = 0

    def __str__(self) -> str:
        """Say it in one line."""
        without = f"; {self.without_position:,} rows have no position and are left out" if self.without_position else ""
        kept = f" ({self.kept:,} were there already)" if self.kept else ""
        return f"{self.rows:,} rows in {self.partitions:,} partitions{kept}, {self.margin_rows:,} in margins{without}"


def write_hats(
    cat: Catalog,
    folder: Path,
    table: str,
    with_: Sequence[str] = (),
    *,
    most_rows: int = 100_000,
    margin_arcsec: float = 10.0,
    snapshot: int | str | None = None,
) -> Exported:
    """Write a table as a HATS catalog: a collection of the catalog itself and its margin cache.

    Parameters
    ----------
    cat : Catalog
    folder : Path
        Made if it is not there; the last part of its name is the catalog's.
    table : str
        A table of the store with a key and positions: csc.master_source, or one with a column `name` or `detection_id`
        that leads to a source there, as csc.observation_source.
    with_ : sequence of str
        Embedding spaces, whose vectors become the columns SPACE_vector; 'spectrum' also gives the spectrum itself, as a
        nested column with one entry a channel.
    most_rows : int
        In a partition, unless it is as small as 3.4 arcmin (order 10).
    margin_arcsec : float
        Rows so near to a partition are in its margin; those that are not much farther can be, too.
    snapshot : int or str, optional
        The store as it was.

    Raises
    ------
    QueryError
        If cdshealpix is not installed, the table has no positions, or the folder holds something else.
    UnknownName
        If there is no such table or space.

    Examples
    --------
    >>> print(write_hats(cat, Path("out/chandra"), "csc.observation_source", ["spectrum"]))  # doctest: +SKIP
    1,205 rows in 12 partitions, 3 in margins
    """
    table = table.lower()
    number = cat.sql("SELECT 1", snapshot=snapshot).snapshot
    key, places = sky_places(cat, table, number)
    columns, joins, made_by = _with(cat, table, with_, number)
    numbers = healpix_numbers(places)
    ((n_all,),) = cat.sql(f"SELECT count(*) FROM {table}", snapshot=number).fetchall()
    near = margin_order(margin_arcsec)
    found = partition(np.sort(numbers), most_rows, min(_FINEST, near))
    own = [quote(c) for c in ("ra", "dec") if c in TABLES[table].column_names]
    star = f"t.* EXCLUDE ({', '.join(own)})" if own else "t.*"
    body = f"""SELECT p.part, p.{HEALPIX}, p.ra, p."dec", {star}{columns}
      FROM {_PLACED} AS p JOIN {table} AS t ON t.{quote(key)} = p.id {joins}"""
    name = re.sub(r"\W", "_", folder.name) or "chandra"
    output_folder(folder)
    asked = [cat.store_id, number, body, found.starts.tolist(), found.ends.tolist(), margin_arcsec]
    check_same(folder, hashlib.sha256(json.dumps(asked).encode()).hexdigest(), (name, f"{name}_margin"))

    def ask(rows: pa.Table, parts: Ints) -> Iterator[tuple[pa.RecordBatchReader, Mapping[str, Described]]]:
        """Give the rows of partitions, sorted."""
        cat.register(_PLACED, rows.append_column("part", pa.array(parts)))
        try:
            result = cat.sql(f"SELECT * FROM ({body}) ORDER BY part, {HEALPIX}", snapshot=number)
            about = {d.name: d for d in result.described if d} | _POSITION
            yield result.reader(_BATCH_ROWS), about
        finally:
            cat.unregister(_PLACED)

    placed = places.append_column(HEALPIX, pa.array(numbers))
    main = HatsFiles(folder / name, found)
    kept = main.write(placed, found.of(numbers), ask)
    rows, parts = margins(numbers, found, near)
    margin = HatsFiles(folder / f"{name}_margin", found, main.schema)
    margin.write(placed.take(pa.array(rows)), parts, ask)
    told = _provenance(cat, number, table, with_, made_by)
    told |= {"hats_col_ra": "ra", "hats_col_dec": "dec", "hats_col_healpix": HEALPIX, "hats_col_healpix_order": ORDER}
    told |= {"hats_npix_suffix": ".parquet", "hats_order": int(found.orders.max(initial=0))}
    main.finish({"obs_collection": name, "dataproduct_type": "object", "hats_nrows": len(numbers)} | told)
    of_margin = {"hats_primary_table_url": name, "hats_margin_threshold": margin_arcsec, "hats_nrows": len(rows)}
    margin.finish({"obs_collection": f"{name}_margin", "dataproduct_type": "margin"} | of_margin | told)
    both = {"all_margins": f"{name}_margin", "default_margin": f"{name}_margin"}
    write_properties(folder / "collection.properties", {"obs_collection": name, "hats_primary_table_url": name} | both)
    return Exported(len(numbers), len(found), len(rows), int(str(n_all)) - len(numbers), kept)


def _with(cat: Catalog, table: str, with_: Sequence[str], snapshot: int) -> tuple[str, str, dict[str, str]]:
    """Return what is selected and joined besides the table, and the encoder of each space."""
    known = cat.sql("SELECT space, encoder_id FROM meta.space", snapshot=snapshot).fetchall()
    encoders = {str(space): str(encoder) for space, encoder in known}
    columns, joins, made_by = "", "", {}
    id_column = next((c for c in ("detection_id", "name") if c in TABLES[table].column_names), TABLES[table].key[0])
    for space in dict.fromkeys(with_):
        if space == "spectrum" and "detection_id" in TABLES[table].column_names:
            columns, joins = f"{columns}, {_NESTED}", f"{joins} {_SPECTRUM}"
        elif space not in encoders:
            raise UnknownName(f"there is no embedding space {space!r}{suggestion(space, encoders)}; --with takes one")
        if space in encoders:
            made_by[space] = encoders[space]
            joins += f' LEFT JOIN embedding.{quote(space)} AS "v_{space}" ON "v_{space}".id = t.{quote(id_column)}'
            joins += f" AND {_usual(cat, space, snapshot, f'v_{space}')}"
            columns += f', "v_{space}".vector AS "{space}_vector"'
    return columns, joins, made_by


def _usual(cat: Catalog, space: str, snapshot: int, alias: str) -> str:
    query = f"SELECT DISTINCT modality FROM embedding.{quote(space)}"
    there = {m for (m,) in cat.sql(query, snapshot=snapshot).fetchall()}
    return f"\"{alias}\".modality = 'both'" if "both" in there else "true"


def _provenance(
    cat: Catalog, snapshot: int, table: str, with_: Sequence[str], made_by: Mapping[str, str]
) -> dict[str, object]:
    """Return what says where the rows come from."""
    made = {f"photonlake_encoder_{space}": encoder for space, encoder in made_by.items()}
    return {
        "hats_version": "v1.0",
        "hats_builder": f"photonlake {version('photonlake')}",
        "hats_creation_date": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%MUTC}",
        "obs_title": f"{table} of a photonlake store",
        "photonlake_table": table,
        "photonlake_with": " ".join(with_),
        "photonlake_snapshot": snapshot,
        "photonlake_store_id": cat.store_id,
        **made,
    }
