-- Light curve of one detection as light_curve() gives it, in a source region that is at hand. To look the region up is
-- most of the work: who asks for many curves reads product.detection_region once, and gives its rows as parameters.
-- parameters:
--   detection <VARCHAR> {meta.id;src} A detection_id: obsid.obi.region_id
--   regions <STRUCT[]> Its rows of product.detection_region, as a list of STRUCTs; in Python, a list of dictionaries
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
--   flag {meta.note} What to know: that of product.detection_region, and no_good_times; NULL for nothing
CREATE MACRO region_light_curve(detection, regions, bin_s) AS TABLE
WITH place AS MATERIALIZED (
  SELECT unnest(given) FROM (SELECT unnest(regions) AS given)
),
known AS (SELECT 0 AS n_bins, false AS is_known),
-- light_curve goes on so
-- The photons that product.detection_event gives the detection.
photon AS MATERIALIZED (
  SELECT e.file_id, e.ccd_id, e.time_s
  FROM product.event AS e JOIN place AS r ON r.file_id = e.file_id
  WHERE e.detection_id = detection AND r.taken_from <> 'whole field' AND in_source_region(e.x, e.y, r)
  UNION ALL
  SELECT e.file_id, e.ccd_id, e.time_s
  FROM product.event AS e JOIN place AS r ON r.file_id = e.file_id AND r.obsid = e.obsid
  WHERE r.taken_from = 'whole field' AND in_source_region(e.x, e.y, r)
),
chip AS MATERIALIZED (
  SELECT r.file_id, mode(p.ccd_id) AS ccd_id, min(p.time_s) AS first_s, max(p.time_s) AS last_s
  FROM place AS r LEFT JOIN photon AS p ON p.file_id = r.file_id
  GROUP BY r.file_id
),
told AS MATERIALIZED (
  SELECT g.start_s, g.stop_s
  FROM product.good_time AS g
  JOIN chip AS c ON g.file_id = c.file_id AND (g.ccd_id = c.ccd_id OR g.ccd_id IS NULL OR c.ccd_id IS NULL)
  WHERE g.stop_s > g.start_s
  QUALIFY g.ccd_id IS NOT NULL OR count(g.ccd_id) OVER (PARTITION BY g.file_id) = 0
),
-- Several tables, or the files of interleaved exposures, may tell the same time: it is merged before it is added.
good AS MATERIALIZED (
  SELECT min(s.start_s) AS start_s, max(s.stop_s) AS stop_s
  FROM (
    SELECT b.start_s, b.stop_s, sum(b.begins) OVER (ORDER BY b.start_s, b.stop_s ROWS UNBOUNDED PRECEDING) AS stretch
    FROM (
      SELECT t.start_s, t.stop_s, CASE WHEN t.start_s <= max(t.stop_s) OVER (ORDER BY t.start_s, t.stop_s
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) THEN 0 ELSE 1 END AS begins
      FROM told AS t
    ) AS b
  ) AS s
  GROUP BY s.stretch
  UNION ALL
  SELECT min(coalesce(s.start_s, c.first_s)), max(coalesce(s.stop_s, c.last_s))
  FROM chip AS c LEFT JOIN product.file_span AS s ON s.file_id = c.file_id
  WHERE NOT EXISTS (FROM told) HAVING count(coalesce(s.start_s, c.first_s)) > 0
),
-- Why there is nothing to count.
reason AS MATERIALIZED (
  SELECT CASE WHEN EXISTS (FROM good) AND p.n_regions > 0 THEN NULL
    WHEN p.n_regions > 0 THEN 'the store has neither photons in the source region of ' || detection || ' nor good times'
    WHEN p.n > 0 THEN 'it is not known where in the event file of ' || detection || ' its source region is; load its '
      || 'reg3, its pha3, its row of the catalog, or a .reg beside it. All photons of the file: product.detection_event'
    WHEN k.n_bins > 0 THEN 'the store has no photons of ' || detection || ', but ' || k.n_bins || ' bins of its light '
      || 'curve file: SELECT * FROM product.light_curve WHERE detection_id = ''' || detection || ''''
    WHEN k.is_known THEN 'the store has no photons of ' || detection || '; load its regevt3, or an event file of ObsID '
      || split_part(detection, '.', 1)
    ELSE 'the store has no detection ' || detection || '; light_curve takes a detection_id, obsid.obi.region_id'
    END AS text
  FROM (SELECT count(*) AS n, count(r.region_from) AS n_regions FROM place AS r) AS p, known AS k
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
),
-- Over this time a rate can be told: not over less than a frame, in which the CCD may not have been read once.
timed AS (
  SELECT j.bin, j.exposure_s, j.counts, f.flag,
    CASE WHEN NOT f.is_cut AND j.exposure_s >= least(f.frame_s, 0.999 * bin_s) THEN nullif(j.exposure_s, 0) END AS over_s
  FROM joined AS j, (
    SELECT coalesce(bool_or(r.flag LIKE '%events_capped%'), false) AS is_cut,
      coalesce(min(r.frame_time_s), 0) AS frame_s,
      nullif(concat_ws(', ', string_agg(DISTINCT r.flag, ', '),
        CASE WHEN NOT EXISTS (FROM told) THEN 'no_good_times' END), '') AS flag
    FROM place AS r
  ) AS f
)
SELECT t.bin, o.zero_s + t.bin * o.width_s AS start_s, o.zero_s + (t.bin + 1) * o.width_s AS stop_s,
  t.exposure_s, t.counts,
  t.counts / t.over_s AS rate,
  CASE WHEN t.counts > 0 THEN t.counts * power(1 - 1 / (9.0 * t.counts) - 1 / (3 * sqrt(t.counts)), 3) ELSE 0 END
    / t.over_s AS rate_lolim,
  (t.counts + 1 + sqrt(t.counts + 0.75)) / t.over_s AS rate_hilim,
  t.flag
FROM timed AS t, origin AS o
WHERE t.exposure_s > 0 OR t.counts > 0
UNION ALL BY NAME
SELECT NULL::BIGINT AS bin FROM reason AS r WHERE r.text IS NOT NULL AND error(r.text) IS NOT NULL
ORDER BY bin;
