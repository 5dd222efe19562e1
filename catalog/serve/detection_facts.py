"""What the catalog and the papers say of a detection."""

from __future__ import annotations

from catalog.catalog import Catalog
from catalog.schema import TABLES
from catalog.serve.json_values import Json, records

_PAPERS = 20


def detection(cat: Catalog, id_: str) -> Json:
    """Return what the catalog says of a detection, and the papers about its source; or a paper, by its bibcode."""
    columns = (
        "o.detection_id, o.name, coalesce(o.ra_aper, m.ra) AS ra_aper, coalesce(o.dec_aper, m.dec) AS dec_aper, "
        "o.obsid, o.theta, o.livetime, o.src_cnts_aper_b, o.flux_significance_b, "
        "o.hard_hs, o.hard_hm, o.hard_ms, o.var_prob_b, o.var_index_b, o.flux_aper_b"
    )
    found = cat.sql(
        f"SELECT {columns} FROM csc.observation_source AS o LEFT JOIN csc.master_source AS m USING (name) "
        "WHERE o.detection_id = $id",
        id=id_,
    )
    rows = records(found.arrow())
    described = {d.name: d for d in TABLES["csc.observation_source"].columns}
    fields = [
        {"name": n, "value": v, "unit": described[n].unit, "description": described[n].description}
        for n, v in (rows[0] if rows else {"detection_id": id_}).items()
    ]
    name = rows[0]["name"] if rows else None
    others = _others(cat, name) if name else []
    types = _types(cat, name) if name else []
    papers, unusual = _papers(cat, id_, name), _unusual(cat, id_)
    return {"fields": fields, "types": types, "papers": papers, "detections": others, "unusual": unusual}


def _unusual(cat: Catalog, id_: str) -> list[Json]:
    """Return how unusual a detection is in each space, as the newest run that judged it says, and why it may be."""
    found = cat.sql(
        "WITH newest AS (SELECT run_id, count(*) AS n_ranked FROM analysis.anomaly "
        "GROUP BY space, run_id QUALIFY run_id = max(run_id) OVER (PARTITION BY space)) "
        "SELECT space, rank, n_ranked, extremes, warnings FROM analysis.anomaly JOIN newest USING (run_id) "
        "WHERE detection_id = $id ORDER BY space",
        id=id_,
    )
    return [dict(row) for row in found.arrow().to_pylist()]


def _others(cat: Catalog, name: object) -> list[Json]:
    """Return all detections of a source, in time."""
    found = cat.sql(
        "SELECT detection_id AS id, gti_obs AS date, livetime AS livetime_s, src_cnts_aper_b, flux_aper_b, hard_hs "
        "FROM csc.observation_source WHERE name = $name ORDER BY gti_obs, detection_id LIMIT 200",
        name=name,
    )
    return records(found.arrow())


def _types(cat: Catalog, name: object) -> list[Json]:
    types = cat.sql(
        "SELECT t.authority, t.otype, t.class, t.predicted FROM csc.object_type AS t WHERE t.name = $name ORDER BY ALL",
        name=name,
    )
    return records(types.arrow())


def _papers(cat: Catalog, id_: str, name: object) -> list[Json]:
    if name is None:
        papers = "SELECT bibcode, title, year, abstract FROM lit.paper WHERE bibcode = $id"
        return records(cat.sql(papers, id=id_).arrow())
    about = cat.sql(
        "SELECT p.bibcode, p.title, p.year, p.abstract, array_to_string(l.methods, ', ') AS methods, l.confidence, "
        "(SELECT string_agg(DISTINCT evidence, '\n') FROM lit.paper_source AS s WHERE s.bibcode = p.bibcode "
        "AND s.name = l.name) AS evidence FROM lit.paper AS p "
        "JOIN lit.confident_link AS l USING (bibcode) WHERE l.name = $name "
        f"ORDER BY l.confidence DESC NULLS FIRST, p.year DESC, p.bibcode LIMIT {_PAPERS}",
        name=name,
    )
    return records(about.arrow())
