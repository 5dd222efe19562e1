"""What the page asks of a store, and what it is answered: plain values that JSON can say."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.formats.origin import placeless
from catalog.objects import light_curve, spectrum
from catalog.objects.stored_map import METHODS, names_of_maps
from catalog.query.functions import table_function_names
from catalog.query.limited_process import Limits
from catalog.query.names import MACROS, columns_of, relations
from catalog.query.outside import Outside
from catalog.query.provenance import has_star
from catalog.schema import TABLES
from catalog.serve import detection_facts, likeness
from catalog.serve.json_values import Json, number, records
from catalog.serve.maps import Maps
from catalog.serve.regions import Regions
from catalog.serve.search import search

MAX_ROWS = 1000
MAX_SECONDS = 10.0
MAX_BYTES = 16 << 20
_N_BINS = 40
_MOST_BINS = 5000
_FINE = 1000
_SAID = 2
_FOR_A_FILE = Limits(60.0, None, 200 << 20)
_NAMES_SELECTION = re.compile(r"\bselection\b", re.IGNORECASE)


@dataclass
class Answers:
    """Answers one page's questions; safe for several threads.

    Parameters
    ----------
    store : Path
    """

    store: Path

    def __post_init__(self) -> None:
        """Open the store."""
        # A click asks five small questions at a time: each on one thread is done in half the time.
        self.catalog = Catalog(self.store, threads=1)
        self._typed = Outside(self.store)
        self._regions = Regions(self.catalog)
        self._spreads = likeness.Spreads(self.catalog)
        self.maps = Maps(self.catalog)

    def prepare(self) -> None:
        """Make what the page shows first, before it asks: the browser takes its time to start."""
        spaces = self.overview()["spaces"]
        if isinstance(spaces, list) and spaces:
            self.maps.values(str(spaces[0]["space"]), "otype")

    def close(self) -> None:
        """Close the store, and end the process that answers what is typed."""
        self._typed.close()
        self.catalog.close()

    def rehearse(self) -> None:
        """Make ready what the first click and the first query would wait for."""
        self._typed.warm()
        self._regions.read()
        self._spreads.of()

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
            if pa.types.is_floating(c.type) or pa.types.is_integer(c.type) or pa.types.is_boolean(c.type)
        ]
        return {
            "store": self.store.name,
            "snapshot": cat.snapshot,
            "spaces": spaces.to_pylist(),
            "maps": [{"map": f"{s}:{m}", "said": f"{s}: {METHODS.get(m, m)}"} for s, m in names_of_maps(cat)],
            "columns": columns,
            **counts.to_pylist()[0],
        }

    def names(self) -> Json:
        """Return what a query can name: relations with their columns, and functions."""
        return {
            "relations": {name: [c.name for c in columns_of(name)] for name in relations()},
            "functions": sorted({*MACROS, *table_function_names()}),
        }

    def detection(self, id_: str) -> Json:
        """Return what the catalog and the papers say of a detection; or a paper, by its bibcode."""
        return detection_facts.detection(self.catalog, id_)

    def spectrum(self, id_: str) -> Json:
        """Return a detection's spectrum, binned; empty where the store has none."""
        try:
            found = spectrum.spectrum(self.catalog, id_)
        except UnknownName:
            return {}
        made = found.rebinned()
        background = [number(v) for v in found.background_rate(made.edges_kev).tolist()]
        rate, error = ([number(v) for v in values.tolist()] for values in (made.rate, made.error))
        return {"edges_kev": made.edges_kev.tolist(), "rate": rate, "error": error, "background": background}

    def light_curve(self, id_: str, bin_s: str = "") -> Json:
        """Return a detection's light curve; without photons, the one that a file of it holds.

        Parameters
        ----------
        id_ : str
        bin_s : str
            Seconds of a bin; '' for about forty bins.

        `said` tells what is to be known of it, or why there is none; an empty answer is for a detection of which the
        store has neither.
        """
        regions = self._regions.of(id_)
        span = max((float(str(r.pop("span_s") or 0)) for r in regions or ()), default=0.0)
        span = span or (0.0 if regions == [] else self._span(id_))
        if not span:
            return self._held_curve(id_)
        length = _seconds(bin_s, span) if bin_s else float(f"{max(span / _N_BINS, 1.0):.2g}")
        function = "light_curve($id, $bin)" if regions is None else "region_light_curve($id, $regions, $bin)"
        query = f"SELECT start_s, stop_s, rate, rate_lolim, rate_hilim, flag FROM {function} ORDER BY bin"
        given: dict[str, object] = {"id": id_, "bin": length} | ({} if regions is None else {"regions": regions})
        try:
            rows = self.catalog.sql(query, parameters=given).arrow()
        except QueryError as error:  # the function's own word of why there is nothing to count
            return {"said": str(error)}
        flags = [flag for flag in rows["flag"].unique().to_pylist() if flag]
        curve = {n: [number(v) for v in rows[n].to_pylist()] for n in rows.column_names if n != "flag"}
        return {"bin_s": length, **curve, **({"said": ", ".join(flags)} if flags else {})}

    def blocks(self, id_: str) -> Json:
        """Return stretches of constant rate of a detection's photons; empty where there is nothing to count."""
        try:
            made = self.catalog.detection(id_).light_curve(max(self._span(id_) / _FINE, 0.1)).blocks()
        except (UnknownName, QueryError):
            return {}
        return {name: made[name].tolist() for name in ("start_s", "stop_s", "rate")}

    def photon_map(self, id_: str) -> Json:
        """Return counts of a detection's photons by energy and time; empty where the store has none."""
        try:
            counts, time_s, energy_kev = self.catalog.detection(id_).events().by_energy_and_time()
        except UnknownName:
            return {}
        if not counts.any():
            return {}
        return {"counts": counts.tolist(), "time_s": time_s.tolist(), "energy_kev": energy_kev.tolist()}

    def _held_curve(self, id_: str) -> Json:
        """Return the bins of a detection's light curve file; empty where the store has none."""
        try:
            found = light_curve.of_file(self.catalog, id_)
        except UnknownName:
            return {}
        names = ("start_s", "stop_s", "rate", "rate_lolim", "rate_hilim")
        return {"bin_s": found.bin_s, **{n: found.rows[n].to_pylist() for n in names}, "said": found.said}

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
        near = records(self.catalog.nearest(space, id_, k=k, exclude_self=True).arrow())
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
        known = {row["id"]: row for row in records(found.arrow())}
        has, spreads = likeness.values(self.catalog, [id_, *(str(row["id"]) for row in near)]), self._spreads.of()
        rows = []
        for row in near:
            same, other = likeness.alike(has.get(id_, {}), has.get(str(row["id"]), {}), spreads)
            rows.append(
                row | known.get(row["id"], {}) | {"alike": ", ".join(same[:_SAID]), "unlike": ", ".join(other[:_SAID])}
            )
        return {"rows": rows, "stability": self._stability(space, id_)}

    def _stability(self, space: str, id_: str) -> object:
        """Return which share of the neighbours stays when photons are drawn anew; None where no run has tried it."""
        query = "SELECT stability FROM analysis.neighbour_stability WHERE detection_id = $id AND space = $space"
        found = self.catalog.sql(query, id=id_, space=space).fetchall()
        return number(found[0][0]) if found else None

    def search(self, space: str, text: str) -> Json:
        """Return what a name, part of one, a position, or words mean."""
        said, rows = search(self.catalog, space, text)
        return {"said": said, "rows": [{k: number(v) for k, v in row.items()} for row in rows]}

    def image(self, id_: str) -> Json:
        """Return the photons around a detection as counts per pixel; empty where the store has none."""
        try:
            made = self.catalog.detection(id_).image()
        except UnknownName:
            return {}
        r = made.region
        region = {"x": r.x, "y": r.y, "semi_major": r.semi_major, "semi_minor": r.semi_minor, "angle_deg": r.angle_deg}
        where = {"x0": float(made.x_edges[0]), "y0": float(made.y_edges[0]), "pixel_arcsec": made.pixel_arcsec}
        return {"counts": made.counts.tolist(), "region": region | {"region_from": r.region_from}, **where}

    def table(self, query: str, selection: str) -> pa.Table:
        """Answer one query whole, for a file: at most 200 MB, in 60 seconds."""
        return placeless(self._typed.ask(query, limits=_FOR_A_FILE, own=self._own(query, selection)).table)

    def _own(self, query: str, selection: str) -> dict[str, pa.Table]:
        return {"selection": self.maps.selection(selection)} if selection or _NAMES_SELECTION.search(query) else {}

    def sql(self, query: str, selection: str = "") -> Json:
        """Answer one read-only query, in a process apart: at most 1,000 rows, 16 MB, 10 seconds.

        The rows that are selected on the map, where `selection` says which, are the relation `selection`.
        """
        own = self._own(query, selection)
        answer = self._typed.ask(query, limits=Limits(MAX_SECONDS, MAX_ROWS, MAX_BYTES), own=own)
        table, notes = answer.table, list(answer.why_empty)
        if table.num_rows and has_star(query):  # of hundreds of columns, those that say something
            filled = [n for n, c in enumerate(table.columns) if c.null_count < table.num_rows] or [0]
            if n_empty := table.num_columns - len(filled):
                notes = [f"{n_empty} empty columns left out"]
            table = table.select(filled)
        rows = [list(r.values()) for r in records(table)]
        return {"columns": table.column_names, "rows": rows, "more": answer.more} | ({"notes": notes} if notes else {})


def _seconds(text: str, span_s: float) -> float:
    """Read the length of a bin.

    Raises
    ------
    QueryError
        If it is no number above 0, or makes more bins than can be drawn.
    """
    try:
        length = float(text)
    except ValueError:
        length = math.nan
    if not (length > 0 and math.isfinite(length)):
        raise QueryError(f"expected bins of more than 0 s, found {text!r}")
    if span_s / length > _MOST_BINS:
        raise QueryError(f"bins of {length:g} s are more than {_MOST_BINS:,}; take {span_s / _MOST_BINS:.2g} s or more")
    return length
