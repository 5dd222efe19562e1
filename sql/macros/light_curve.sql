-- Light curve of one detection: photons in its source region in bins of equal length from the start of the good time,
-- over the good time of the CCD that saw most of them. A bin that is partly good has its rate over that part, unless
-- that is less than a frame; bins without good time have no row, unless photons fell there: then their rate is NULL.
-- Good times that overlap count once. Without good times in the file, the span that its header tells counts as good
-- (product.file_span); without that, from the first photon to the last, and the rates of the two bins at the ends are
-- then too high. Not corrected for dead time (about 1 % in ACIS) nor for the region's share of the point-spread
-- function. Limits are the one-sigma Poisson limits of Gehrels (1986, ApJ 303, 336), equations 7 and 14, over the good
-- time. A list of photons that was cut has counts, and no rates. An error tells where there is nothing to count: no
-- such detection, none of its photons in the store, or no word of where its source region is.
-- parameters:
--   detection <VARCHAR> {meta.id;src} A detection_id: obsid.obi.region_id
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
CREATE MACRO light_curve(detection, bin_s) AS TABLE
WITH place AS MATERIALIZED (FROM product.detection_region AS r WHERE r.detection_id = detection),
-- Where there are no photons: what there is instead. Joins, because one with nothing is not worked out.
missing AS MATERIALIZED (SELECT detection AS detection_id WHERE NOT EXISTS (FROM place)),
known AS (
  SELECT (SELECT count(*) FROM product.light_curve AS l JOIN missing AS m ON m.detection_id = l.detection_id) AS n_bins,
    (SELECT count(*) FROM csc.observation_source AS o JOIN missing AS m ON m.detection_id = o.detection_id)
      + (SELECT count(*) FROM product.header AS h JOIN missing AS m ON m.detection_id = h.detection_id) > 0 AS is_known
),
-- goes on as region_light_curve
;
