"""What the page asks of a store, and what it is answered: plain values that JSON can say."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName, suggestion
from catalog.formats.plain_types import is_plain, json_text
from catalog.query.limited_process import Limits
from catalog.query.outside import Outside
from catalog.query.provenance import has_star
from catalog.schema import TABLES
from catalog.schema.columns import quote
from catalog.serve.drawings import binned, projected
from catalog.serve.regions import Regions

Json = dict[str, object]
MAX_ROWS = 1000
MAX_SECONDS = 10.0
MAX_BYTES = 16 << 20
_N_BINS = 40
_PAPERS = 20
_CLASSES = 12


@dataclass
class Answers:
    """Answers one page's questions; safe for several threads.

    Parameters
    ----------
    store : Path
    """

    store: Path
    _maps: dict[tuple[str, int], Json] = field(default_factory=dict)
    _drawing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Open the store."""
        # A click asks five small questions at a time: each on one thread is done in half the time.
        self.catalog = Catalog(self.store, threads=1)
        self._typed = Outside(self.store)
        self._regions = Regions(self.catalog)

    def prepare(self) -> None:
        """Make what the page shows first, before it asks: the browser takes its time to start."""
        spaces = self.overview()["spaces"]
        if isinstance(spaces, list) and spaces:
            self.colours(spaces[0]["space"], "otype")

    def close(self) -> None:
        """Close the store, and end the process that answers what is typed."""
        self._typed.close()
        self.catalog.close()

    def rehearse(self) -> None:
        """Do once what a click asks for, so that the first one finds all at hand; call it when the page is painted."""
        self._typed.warm()
        self._regions.read()
        if self._maps:
            map_ = next(iter(self._maps.values()))
            ids = map_["ids"]
            if isinstance(ids, list) and ids:
                self.neighbours(str(map_["space"]), ids[0])
                for ask in (self.detection, self.spectrum, self.light_curve):
                    ask(ids[0])

    def overview(self) -> Json:
        """Tell which spaces there are, which columns can colour them, and how much the store holds."""
        cat = self.catalog
        spaces = cat.sql(
            "SELECT s.space, s.n_vectors, s.dim, s.encoder_id, e.modality FROM meta.space AS s "
            "LEFT JOIN meta.encoder AS e USING (encoder_id) ORDER BY s.space"
        ).arrow()
        counts = cat.sql(
            "SELECT (SELECT count(*) FROM csc.observation_source) AS detections, "
            "(SELECT count(*) FROM lit.paper) AS papers, (SELECT count(*) FROM simulated.truth) AS simulated"
        ).arrow()
        columns = [
            {"name": c.name, "unit": c.unit, "description": c.description}
            for c in TABLES["csc.observation_source"].columns
            if pa.types.is_floating(c.type) or pa.types.is_integer(c.type)
        ]
        return {
            "store": self.store.name,
            "snapshot": cat.snapshot,
            "spaces": spaces.to_pylist(),
            "columns": columns,
            **counts.to_pylist()[0],
        }

    def map(self, space: str) -> Json:
        """Return the map of a space: ids, source names, positions between -1.25 and 1.25."""
        cat = self.catalog
        number = cat.snapshot
        with self._drawing:  # once, though several ask for it
            if (space, number) not in self._maps:
                ids, vectors = cat.vectors(space)
                points = projected(vectors)
                self._maps[space, number] = {
                    "space": space,
                    "ids": ids.tolist(),
                    "x": np.round(points[:, 0], 4).tolist(),
                    "y": np.round(points[:, 1], 4).tolist(),
                }
        return self._maps[space, number]

    def colours(self, space: str, column: str) -> Json:
        """Return a value per point of a map: a number of the catalog, or the class that SIMBAD gives."""
        ids = self.map(space)["ids"]
        keys = pa.table({"id": pa.array(ids, pa.string())})
        if column == "otype":
            query = (
                "SELECT o.detection_id AS id, min(t.otype) AS value FROM csc.observation_source AS o "
                "JOIN csc.object_type AS t ON t.name = o.name AND t.authority = 'simbad' GROUP BY o.detection_id"
            )
        elif column in TABLES["csc.observation_source"].column_names:
            query = f"SELECT detection_id AS id, {quote(column)} AS value FROM csc.observation_source"
        else:
            known = TABLES["csc.observation_source"].column_names
            raise UnknownName(f"csc.observation_source has no column {column!r}{suggestion(column, known)}")
        found = self.catalog.sql(query).arrow()
        value = dict(zip(found["id"].to_pylist(), found["value"].to_pylist(), strict=True))
        values = [value.get(i) for i in keys["id"].to_pylist()]
        if column != "otype":
            return {"column": column, "values": [_number(v) for v in values]}
        common: dict[str, int] = {}
        for v in values:
            if v is not None:
                common[v] = common.get(v, 0) + 1
        kept = sorted(common, key=lambda c: (-common[c], c))[:_CLASSES]
        place = {c: i for i, c in enumerate(kept)}
        return {"column": column, "classes": kept, "values": [None if v is None else place.get(v, -1) for v in values]}

    def detection(self, id_: str) -> Json:
        """Return what the catalog says of a detection, and the papers about its source; or a paper, by its bibcode."""
        columns = (
            "detection_id, name, obsid, theta, livetime, src_cnts_aper_b, flux_significance_b, "
            "hard_hs, hard_hm, hard_ms, var_prob_b, var_index_b, flux_aper_b"
        )
        found = self.catalog.sql(f"SELECT {columns} FROM csc.observation_source WHERE detection_id = $id", id=id_)
        rows = _records(found.arrow())
        described = {d.name: d for d in TABLES["csc.observation_source"].columns}
        fields = [
            {"name": n, "value": v, "unit": described[n].unit, "description": described[n].description}
            for n, v in (rows[0] if rows else {"detection_id": id_}).items()
        ]
        name = rows[0]["name"] if rows else None
        return {"fields": fields, "types": self._types(name) if name else [], "papers": self._papers(id_, name)}

    def _types(self, name: object) -> list[Json]:
        types = self.catalog.sql(
            "SELECT t.authority, t.otype, t.class, t.predicted FROM csc.object_type AS t WHERE t.name = $name "
            "ORDER BY ALL",
            name=name,
        )
        return _records(types.arrow())

    def _papers(self, id_: str, name: object) -> list[Json]:
        if name is None:
            papers = "SELECT bibcode, title, year, abstract FROM lit.paper WHERE bibcode = $id"
            return _records(self.catalog.sql(papers, id=id_).arrow())
        about = self.catalog.sql(
            "SELECT p.bibcode, p.title, p.year, p.abstract, l.methods, l.confidence FROM lit.paper AS p "
            "JOIN lit.confident_link AS l USING (bibcode) WHERE l.name = $name "
            f"ORDER BY l.confidence DESC NULLS FIRST, p.year DESC, p.bibcode LIMIT {_PAPERS}",
            name=name,
        )
        return _records(about.arrow())

    def spectrum(self, id_: str) -> Json:
        """Return a detection's spectrum, binned; empty where the store has none."""
        found = self.catalog.sql(
            "SELECT s.counts, s.background_counts, s.exposure_s, s.backscal, s.background_exposure_s, "
            "s.background_backscal, r.e_min, r.e_max FROM product.spectrum AS s JOIN product.rmf AS r USING (rmf_id) "
            "WHERE s.detection_id = $id AND s.counts IS NOT NULL ORDER BY s.exposure_s DESC, s.spectrum_id LIMIT 1",
            id=id_,
        ).arrow()
        if not found.num_rows:
            return {}
        row = found.to_pylist()[0]
        counts = np.asarray(row["counts"], np.float64)
        energy = (np.asarray(row["e_min"], np.float64) + np.asarray(row["e_max"], np.float64)) / 2
        background = None if row["background_counts"] is None else np.asarray(row["background_counts"], np.float64)
        scale = _ratio(row["exposure_s"], row["background_exposure_s"]) * _ratio(
            row["backscal"], row["background_backscal"]
        )
        n = min(len(counts), len(energy))
        made = binned(counts[:n], None if background is None else background[:n], energy[:n], row["exposure_s"], scale)
        return {"edges_kev": made.edges_kev.tolist(), "rate": made.rate.tolist(), "error": made.error.tolist()}

    def light_curve(self, id_: str) -> Json:
        """Return a detection's light curve in about forty bins; without photons, the one that a file of it holds.

        `said` tells what is to be known of it, or why there is none; an empty answer is for a detection of which the
        store has neither.
        """
        regions = self._regions.of(id_)
        span = max((float(str(r.pop("span_s") or 0)) for r in regions or ()), default=0.0)
        span = span or (0.0 if regions == [] else self._span(id_))
        if not span:
            return self._held_curve(id_)
        bin_s = float(f"{max(span / _N_BINS, 1.0):.2g}")
        function = "light_curve($id, $bin)" if regions is None else "region_light_curve($id, $regions, $bin)"
        query = f"SELECT start_s, stop_s, rate, rate_lolim, rate_hilim, flag FROM {function} ORDER BY bin"
        given: dict[str, object] = {"id": id_, "bin": bin_s} | ({} if regions is None else {"regions": regions})
        try:
            rows = self.catalog.sql(query, parameters=given).arrow()
        except QueryError as error:  # the function's own word of why there is nothing to count
            return {"said": str(error)}
        flags = [flag for flag in rows["flag"].unique().to_pylist() if flag]
        curve = {n: [_number(v) for v in rows[n].to_pylist()] for n in rows.column_names if n != "flag"}
        return {"bin_s": bin_s, **curve, **({"said": ", ".join(flags)} if flags else {})}

    def _held_curve(self, id_: str) -> Json:
        """Return the bins of a detection's light curve file: the newest, of the broadest band."""
        rows = self.catalog.sql(
            "SELECT l.time_s, l.count_rate, l.count_rate_err, l.band FROM product.light_curve AS l "
            "JOIN product.header AS h USING (file_id) WHERE l.detection_id = $id QUALIFY dense_rank() OVER (ORDER BY "
            "l.band IN ('b', 'w') DESC, h.version DESC NULLS LAST, l.file_id) = 1 ORDER BY l.time_s",
            id=id_,
        ).arrow()
        if rows.num_rows <= 1:
            return {}
        start, rate, error = (rows[n].to_numpy(zero_copy_only=False) for n in rows.column_names[:3])
        bin_s = float(np.median(np.diff(start)))
        made = {"start_s": start, "stop_s": start + bin_s, "rate": rate}
        made |= {"rate_lolim": rate - error, "rate_hilim": rate + error}
        said = f"from its light curve file, band {rows['band'][0].as_py()}: the store has no photons of it"
        return {"bin_s": bin_s, **{n: [_number(float(v)) for v in values] for n, values in made.items()}, "said": said}

    def _span(self, id_: str) -> float:
        """Return the time from a detection's first photon to its last [s]; 0 where it has none."""
        # Photons of a file of its own are found by their id; only those of a whole field must be looked for.
        for table in ("product.event", "product.detection_event"):
            ((span,),) = self.catalog.sql(
                f"SELECT max(time_s) - min(time_s) FROM {table} WHERE detection_id = $id", id=id_
            ).fetchall()
            if span:
                return float(str(span))
        return 0.0

    def neighbours(self, space: str, id_: str, k: int = 12) -> Json:
        """Return the nearest rows of a space."""
        near = _records(self.catalog.nearest(space, id_, k=k, exclude_self=True).arrow())
        if not near:
            return {"rows": []}
        # Listed one by one: what is listed is looked up, what a query returns is compared with every row.
        ids = {f"id{n}": row["id"] for n, row in enumerate(near)}
        names = {f"name{n}": row["name"] for n, row in enumerate(near)}
        found = self.catalog.sql(
            "SELECT o.detection_id AS id, o.hard_hs, o.var_prob_b, t.otype FROM csc.observation_source AS o "
            "LEFT JOIN (SELECT name, min(otype) AS otype FROM csc.object_type WHERE authority = 'simbad' "
            f"AND name IN ({', '.join(f'${n}' for n in names)}) GROUP BY name) AS t ON t.name = o.name "
            f"WHERE o.detection_id IN ({', '.join(f'${i}' for i in ids)})",
            parameters=ids | names,
        )
        known = {row["id"]: row for row in _records(found.arrow())}
        return {"rows": [row | known.get(row["id"], {}) for row in near]}

    def search(self, space: str, text: str, k: int = 30) -> Json:
        """Return the rows of a space nearest to words; or to a source, where the words are its name or id."""
        if text[:1].isdigit() or text.upper().startswith("2CXO"):
            found = self.catalog.nearest(space, text, k=k)
        else:
            found = self.catalog.nearest(space, text=text, k=k)
        return {"rows": _records(found.arrow())}

    def sql(self, query: str) -> Json:
        """Answer one read-only query, in a process apart: at most 1,000 rows, 16 MB, 10 seconds."""
        answer = self._typed.ask(query, limits=Limits(MAX_SECONDS, MAX_ROWS, MAX_BYTES))
        table, notes = answer.table, list(answer.why_empty)
        if table.num_rows and has_star(query):  # of hundreds of columns, those that say something
            filled = [n for n, c in enumerate(table.columns) if c.null_count < table.num_rows] or [0]
            if n_empty := table.num_columns - len(filled):
                notes = [f"{n_empty} empty columns left out"]
            table = table.select(filled)
        rows = [list(r.values()) for r in _records(table)]
        return {"columns": table.column_names, "rows": rows, "more": answer.more} | ({"notes": notes} if notes else {})


def _records(table: pa.Table) -> list[Json]:
    columns = []
    for column in table.columns:
        values = column.to_pylist()
        if not is_plain(column.type):
            values = [None if v is None else json_text(v) for v in values]
        elif pa.types.is_temporal(column.type):
            values = [None if v is None else str(v) for v in values]
        columns.append([_number(v) if isinstance(v, float) else v for v in values])
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _number(value: object) -> object:
    """Return a value that JSON can say: what it lacks becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _ratio(one: float | None, other: float | None) -> float:
    return 1.0 if not one or not other else one / other
