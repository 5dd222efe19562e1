-- Light curve of one detection as light_curve() gives it, in a source region that is at hand. To look the region up is
-- most of the work: who asks for many curves reads product.detection_region once, and gives its rows as parameters.
-- parameters:
--   detection {meta.id;src} A detection_id: obsid.obi.region_id
--   region Its row of product.detection_region, as a STRUCT; in Python, a dictionary
--   bin_s [s] {time.duration} Length of a bin
-- columns:
--   bin {meta.number} Number of the bin, from 0
--   start_s [s] {time.start} Start of the bin, mission seconds (TT since MJD 50814.0)
--   stop_s [s] {time.end} End of the bin, mission seconds (TT since MJD 50814.0)
--   exposure_s [s] {time.duration;obs.exposure} Good time in the bin
--   counts [count] {phot.count} Photons in the source region
--   rate [count/s] {arith.rate;phot.count} Counts over good time
--   rate_lolim [count/s] {arith.rate;stat.min} One-sigma lower limit
--   rate_hilim [count/s] {arith.rate;stat.max} One-sigma upper limit
CREATE MACRO region_light_curve(detection, region, bin_s) AS TABLE
WITH place AS MATERIALIZED (SELECT unnest(region)),
-- light_curve goes on so
-- The photons that product.detection_event gives the detection.
photon AS MATERIALIZED (
  SELECT e.file_id, e.ccd_id, e.time_s
  FROM product.event AS e JOIN place AS r ON r.file_id = e.file_id
  WHERE e.detection_id = detection AND r.taken_from <> 'whole field'
    AND inside_ellipse((e.x - r.x) * r.x_step_arcsec, (e.y - r.y) * r.y_step_arcsec,
                       r.semi_major_arcsec, r.semi_minor_arcsec, r.angle_deg) IS NOT FALSE
  UNION ALL
  SELECT e.file_id, e.ccd_id, e.time_s
  FROM product.event AS e JOIN place AS r ON r.file_id = e.file_id AND r.obsid = e.obsid
  WHERE r.taken_from = 'whole field'
    AND inside_ellipse((e.x - r.x) * r.x_step_arcsec, (e.y - r.y) * r.y_step_arcsec,
                       r.semi_major_arcsec, r.semi_minor_arcsec, r.angle_deg)
),
chip AS MATERIALIZED (
  SELECT p.file_id, mode(p.ccd_id) AS ccd_id, min(p.time_s) AS first_s, max(p.time_s) AS last_s
  FROM photon AS p GROUP BY p.file_id
),
told AS MATERIALIZED (
  SELECT g.start_s, g.stop_s
  FROM product.good_time AS g
  JOIN chip AS c ON g.file_id = c.file_id AND (g.ccd_id = c.ccd_id OR g.ccd_id IS NULL OR c.ccd_id IS NULL)
  WHERE g.stop_s > g.start_s
  QUALIFY g.ccd_id IS NOT NULL OR count(g.ccd_id) OVER () = 0
),
good AS MATERIALIZED (
  SELECT t.start_s, t.stop_s FROM told AS t
  UNION ALL
  SELECT coalesce(s.start_s, c.first_s), coalesce(s.stop_s, c.last_s)
  FROM chip AS c LEFT JOIN product.file_span AS s ON s.file_id = c.file_id WHERE NOT EXISTS (FROM told)
),
origin AS MATERIALIZED (
  SELECT min(g.start_s) AS zero_s, CASE WHEN bin_s > 0 THEN bin_s ELSE error('bin_s must be above 0') END AS width_s
  FROM good AS g
),
piece AS (
  SELECT g.start_s, g.stop_s, o.zero_s, o.width_s,
    unnest(range(floor((g.start_s - o.zero_s) / o.width_s)::BIGINT,
                 floor((g.stop_s - o.zero_s) / o.width_s)::BIGINT + 1)) AS bin
  FROM good AS g, origin AS o
),
exposed AS (
  SELECT p.bin, sum(greatest(0, least(p.stop_s, p.zero_s + (p.bin + 1) * p.width_s)
                              - greatest(p.start_s, p.zero_s + p.bin * p.width_s))) AS exposure_s
  FROM piece AS p GROUP BY p.bin
),
counted AS (
  SELECT floor((p.time_s - o.zero_s) / o.width_s)::BIGINT AS bin, count(*) AS counts
  FROM photon AS p, origin AS o GROUP BY 1
),
joined AS (
  SELECT coalesce(e.bin, n.bin) AS bin, coalesce(e.exposure_s, 0) AS exposure_s, coalesce(n.counts, 0) AS counts
  FROM exposed AS e FULL JOIN counted AS n ON n.bin = e.bin
)
SELECT j.bin, o.zero_s + j.bin * o.width_s AS start_s, o.zero_s + (j.bin + 1) * o.width_s AS stop_s,
  j.exposure_s, j.counts,
  j.counts / nullif(j.exposure_s, 0) AS rate,
  CASE WHEN j.counts > 0 THEN j.counts * power(1 - 1 / (9.0 * j.counts) - 1 / (3 * sqrt(j.counts)), 3) ELSE 0 END
    / nullif(j.exposure_s, 0) AS rate_lolim,
  (j.counts + 1 + sqrt(j.counts + 0.75)) / nullif(j.exposure_s, 0) AS rate_hilim
FROM joined AS j, origin AS o
WHERE j.exposure_s > 0 OR j.counts > 0
ORDER BY j.bin;
