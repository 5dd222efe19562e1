"""Which detection a user's region file is of, where its name does not tell: worked out in SQL from what lies beside it.

A .reg file lies where the event files are that it was drawn on: only detections of the observations in its own folder
are asked. A component of the file is a detection's source region

1. if the place of that detection, and of no other, lies inside it;
2. if no place is known, but the folder has event files of one detection alone, and the file one component.

Where several components or files could be of one detection, none is. What should be linked is worked out afresh from
what is in the store, so that it does not matter in which order files arrive, and linking twice is linking once.
"""

from __future__ import annotations

from ingest.products.linking import Connection

_FOLDER = "parse_dirpath(path, 'forward_slash')"

_LOOSE = "told_by = 'reg' AND role = 'source' AND (detection_id IS NULL OR linked_by IS NOT NULL)"
_WANTED = f"""
WITH loose AS MATERIALIZED (
  SELECT file_id, component, any_value(detection_id) AS before, list({{component: component, include: include,
    shape: shape, x: x, y: y, r: r, ra: ra, "dec": "dec", r_arcsec: r_arcsec, rotang: rotang}} ORDER BY row) AS shapes
  FROM lake.product.region
  WHERE {_LOOSE}
  GROUP BY file_id, component
),
path AS MATERIALIZED (
  SELECT file_id, {_FOLDER} AS folder FROM lake.meta.file WHERE EXISTS (FROM loose)
),
beside AS MATERIALIZED (
  SELECT l.file_id, l.component, l.shapes, e.file_id AS events_id, e.obsid, e.obi, e.region_id, e.detection_id, e.wcs
  FROM loose AS l
  JOIN path AS p ON p.file_id = l.file_id
  JOIN path AS q ON q.folder = p.folder
  JOIN product.event_file AS e ON e.file_id = q.file_id
  WHERE e.obsid IS NOT NULL
),
place AS MATERIALIZED (
  SELECT o.detection_id, o.obsid, o.obi, o.region_id, coalesce(o.ra_aper, m.ra) AS ra,
    coalesce(o.dec_aper, m."dec") AS "dec"
  FROM lake.csc.observation_source AS o
  SEMI JOIN beside AS b ON b.obsid = o.obsid
  LEFT JOIN lake.csc.master_source AS m ON m.name = o.name
  UNION
  SELECT h.detection_id, h.obsid, h.obi, h.region_id, h.ra_src, h.dec_src
  FROM lake.product.header AS h
  SEMI JOIN beside AS b ON b.obsid = h.obsid
  WHERE h.detection_id IS NOT NULL AND h.ra_src IS NOT NULL
),
by_place AS (
  SELECT DISTINCT b.file_id, b.component, p.detection_id, p.obsid, p.obi, p.region_id
  FROM beside AS b JOIN place AS p ON p.obsid = b.obsid
  WHERE p.ra IS NOT NULL
    AND inside_region(sky_x(p.ra, p."dec", b.wcs), sky_y(p.ra, p."dec", b.wcs), region_in_pixels(b.shapes, b.wcs))
),
by_folder AS (
  SELECT b.file_id, b.component, b.detection_id, b.obsid, b.obi, b.region_id
  FROM (
    SELECT file_id, any_value(component) AS component, any_value(detection_id) AS detection_id,
      any_value(obsid) AS obsid, any_value(obi) AS obi, any_value(region_id) AS region_id
    FROM beside
    GROUP BY file_id
    HAVING count(DISTINCT component) = 1 AND count(DISTINCT coalesce(detection_id, events_id::VARCHAR)) = 1
      AND any_value(detection_id) IS NOT NULL
  ) AS b
  ANTI JOIN (SELECT detection_id FROM place WHERE ra IS NOT NULL) AS p ON p.detection_id = b.detection_id
),
answer AS (
  SELECT file_id, component, detection_id, obsid, obi, region_id, linked_by
  FROM (SELECT *, 'place' AS linked_by FROM by_place UNION ALL SELECT *, 'folder' FROM by_folder)
  QUALIFY count(*) OVER (PARTITION BY file_id, component) = 1 AND count(*) OVER (PARTITION BY detection_id) = 1
)
SELECT l.file_id, l.component, a.detection_id, a.obsid, a.obi, a.region_id, a.linked_by
FROM loose AS l LEFT JOIN answer AS a ON a.file_id = l.file_id AND a.component = l.component
WHERE a.detection_id IS DISTINCT FROM l.before"""


def link_regions(connection: Connection) -> None:
    """Bring the links of region files up to date, inside the caller's transaction; only rows that change are written.

    Parameters
    ----------
    connection : Connection
        With the store attached as `lake` and in use.

    Examples
    --------
    >>> link_regions(connection)  # doctest: +SKIP
    """
    if connection.execute(f"SELECT EXISTS (FROM lake.product.region WHERE {_LOOSE})").fetchone() != (True,):
        return
    columns = ("detection_id", "obsid", "obi", "region_id", "linked_by")
    connection.execute(
        f"UPDATE lake.product.region AS r SET {', '.join(f'{c} = w.{c}' for c in columns)} "
        f"FROM ({_WANTED}) AS w WHERE r.file_id = w.file_id AND r.component = w.component"
    )
