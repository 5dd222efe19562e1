-- Light curve of one detection: photons in its source region in bins of equal length from the start of the good time,
-- over the good time of the CCD that saw most of them. A bin that is partly good has its rate over that part;
-- bins without good time have no row, unless photons fell there: then their rate is NULL. Without good times
-- in the file, the span that its header tells counts as good (product.file_span); without that, from the first photon
-- to the last, and the rates of the two bins at the ends are then too high. Not corrected for dead time (about 1 % in
-- ACIS) nor for the region's share of the point-spread function. Limits are the one-sigma Poisson limits of
-- Gehrels (1986, ApJ 303, 336), equations 7 and 14, over the good time.
-- parameters:
--   detection {meta.id;src} A detection_id: obsid.obi.region_id
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
CREATE MACRO light_curve(detection, bin_s) AS TABLE
WITH place AS MATERIALIZED (FROM product.detection_region AS r WHERE r.detection_id = detection),
-- goes on as region_light_curve
;
