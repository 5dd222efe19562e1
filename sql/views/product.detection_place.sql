-- Which source is where a product's header says that its detection is: one row per detection with such a position.
-- Products of release 1 tell it, later ones do not. Each release numbers its regions anew, so the catalog's row with
-- the ObsID and region number of a product may be another detection's: it is refused where its source is not in reach.
-- In reach means within 2 + 2 (theta / 10 arcmin)^2 arcsec, or the source's error ellipse where that is larger, at
-- most 15; for the catalog's row of an extended source (X), whose centre is less well known, 30.
-- columns:
--   detection_id {meta.id;src} obsid.obi.region_id, as the product files have it
--   ra [deg] {pos.eq.ra} Right ascension, ICRS, from the header
--   dec [deg] {pos.eq.dec} Declination, ICRS, from the header
--   theta [arcmin] {pos.angDistance} Off-axis angle, from the pointing; 0 where that is not known
--   catalog_id {meta.id;src} csc.observation_source.detection_id of the row with its number; NULL without one
--   refused {meta.code} True where that row's source is out of reach
--   name {meta.id;src} The one source in reach; NULL for none or several. Asked only where the row gives no name
--   separation_arcsec [arcsec] {pos.angDistance} To that source, else to the row's
CREATE VIEW product.detection_place AS
WITH place AS MATERIALIZED (
  SELECT detection_id, obsid, obi, region_id, struct_extract(best, 'ra') AS ra, struct_extract(best, 'dec') AS "dec",
    coalesce(struct_extract(best, 'theta'), 0) AS theta
  FROM (
    SELECT detection_id, obsid, obi, region_id, max_by(
      {ra: ra_src, "dec": dec_src, theta: separation_arcsec(ra_src, dec_src, ra_pnt, dec_pnt) / 60},
      (coalesce(version, -1), file_id)) AS best
    FROM product.header
    WHERE detection_id IS NOT NULL AND ra_src IS NOT NULL AND dec_src IS NOT NULL
    GROUP BY ALL
  )
),
-- Most stores have products of later releases alone: no place at all. These joins then keep the engine from reading
-- the catalog's tables, since it reads nothing to meet an empty side. Each table is named as seldom as can be: opening
-- one costs more than all the joins of a small store.
any_place AS MATERIALIZED (SELECT DISTINCT true AS yes FROM place),
master AS MATERIALIZED (
  SELECT m.name, m.ra, m."dec", m.err_ellipse_r0 AS error
  FROM csc.master_source AS m SEMI JOIN any_place AS a ON a.yes = (m.ra IS NOT NULL AND m."dec" IS NOT NULL)
),
detected AS (
  SELECT o.name, o.ra_aper, o.dec_aper, o.detection_id
  FROM csc.observation_source AS o
  SEMI JOIN any_place AS a ON a.yes = (o.name IS NOT NULL AND o.ra_aper IS NOT NULL AND o.dec_aper IS NOT NULL)
),
source AS MATERIALIZED (
  SELECT * FROM master
  UNION ALL
  SELECT o.name, min_by(o.ra_aper, o.detection_id), min_by(o.dec_aper, o.detection_id), NULL
  FROM detected AS o ANTI JOIN master AS m ON m.name = o.name
  GROUP BY o.name
),
numbered AS (
  SELECT p.detection_id, p.ra, p."dec", p.theta, o.detection_id AS catalog_id, o.name
  FROM place AS p JOIN csc.observation_source AS o ON o.obsid = p.obsid AND o.region_id = p.region_id
  WHERE o.obi = p.obi OR p.obi IS NULL
  QUALIFY row_number() OVER (PARTITION BY p.detection_id ORDER BY o.name IS NULL, o.detection_id) = 1
),
claim AS MATERIALIZED (
  SELECT n.detection_id, n.catalog_id, n.name, separation_arcsec(n.ra, n."dec", s.ra, s."dec") AS apart,
    coalesce(apart > CASE WHEN ends_with(n.name, 'X') THEN 30
      ELSE least(15, greatest(2 + 2 * power(n.theta / 10, 2), coalesce(s.error, 0))) END, false) AS refused
  FROM numbered AS n LEFT JOIN source AS s ON s.name = n.name
),
-- The sphere in cubes of an arcminute: positions meet on equal cubes, at RA 0 and at the poles as anywhere.
cubed_source AS (
  SELECT *, floor(cos(radians("dec")) * cos(radians(ra)) / radians(1 / 60))::INTEGER AS i,
    floor(cos(radians("dec")) * sin(radians(ra)) / radians(1 / 60))::INTEGER AS j,
    floor(sin(radians("dec")) / radians(1 / 60))::INTEGER AS k
  FROM source
),
unnamed AS (
  SELECT *, cos(radians("dec")) * cos(radians(ra)) / radians(1 / 60) AS x,
    cos(radians("dec")) * sin(radians(ra)) / radians(1 / 60) AS y, sin(radians("dec")) / radians(1 / 60) AS z
  FROM place ANTI JOIN (SELECT detection_id FROM claim WHERE name IS NOT NULL AND NOT refused) USING (detection_id)
),
-- 15 arcsec to all sides is a quarter of a cube: one or two cubes along each axis.
cubed AS (
  SELECT *, unnest(range(floor(z - 0.251)::INTEGER, floor(z + 0.251)::INTEGER + 1))::INTEGER AS k
  FROM (
    SELECT *, unnest(range(floor(y - 0.251)::INTEGER, floor(y + 0.251)::INTEGER + 1))::INTEGER AS j
    FROM (
      SELECT *, unnest(range(floor(x - 0.251)::INTEGER, floor(x + 0.251)::INTEGER + 1))::INTEGER AS i FROM unnamed
    )
  )
),
placed AS (
  SELECT detection_id, name, apart FROM (
    SELECT c.detection_id, c.obsid, c.obi, s.name, separation_arcsec(c.ra, c."dec", s.ra, s."dec") AS apart,
      least(15, greatest(2 + 2 * power(c.theta / 10, 2), coalesce(s.error, 0))) AS reach
    FROM cubed AS c JOIN cubed_source AS s ON s.i = c.i AND s.j = c.j AND s.k = c.k
    WHERE apart <= reach
    QUALIFY count(*) OVER (PARTITION BY c.detection_id) = 1
  )
  QUALIFY row_number() OVER (PARTITION BY obsid, obi, name ORDER BY apart, detection_id) = 1
)
SELECT p.detection_id, p.ra, p."dec", p.theta, c.catalog_id, coalesce(c.refused, false) AS refused, s.name,
  coalesce(s.apart, c.apart) AS separation_arcsec
FROM place AS p
LEFT JOIN claim AS c ON c.detection_id = p.detection_id
LEFT JOIN placed AS s ON s.detection_id = p.detection_id;
