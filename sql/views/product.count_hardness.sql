-- Hardness ratios from counts, one row per detection with photons known to be in its source region: (hard - soft) / (hard + soft)
-- in the catalog's bands, with the 68.3 % Wilson interval of a binomial share (see hr_counts_lolim). These are not
-- the catalog's hard_hs, hard_hm, hard_ms: background and effective area are not taken out.
-- columns:
--   detection_id {meta.id;src} obsid.obi.region_id
--   name {meta.id;src} Source the detection belongs to; NULL where the catalog does not have the detection
--   obsid {meta.id;obs} Observation identifier
--   counts_s [count] {phot.count;em.X-ray.soft} Photons from 0.5 to 1.2 keV
--   counts_m [count] {phot.count;em.X-ray.medium} Photons from 1.2 to 2 keV
--   counts_h [count] {phot.count;em.X-ray.hard} Photons from 2 to 7 keV
--   hr_counts_hs {phot.count;arith.ratio} Hard against soft
--   hr_counts_hs_lolim {phot.count;arith.ratio;stat.min} Its lower limit
--   hr_counts_hs_hilim {phot.count;arith.ratio;stat.max} Its upper limit
--   hr_counts_hm {phot.count;arith.ratio} Hard against medium
--   hr_counts_hm_lolim {phot.count;arith.ratio;stat.min} Its lower limit
--   hr_counts_hm_hilim {phot.count;arith.ratio;stat.max} Its upper limit
--   hr_counts_ms {phot.count;arith.ratio} Medium against soft
--   hr_counts_ms_lolim {phot.count;arith.ratio;stat.min} Its lower limit
--   hr_counts_ms_hilim {phot.count;arith.ratio;stat.max} Its upper limit
--   flag {meta.note} What to know of the photons: product.detection_region.flag; NULL for nothing
CREATE VIEW product.count_hardness AS
SELECT detection_id, name, obsid, counts_s, counts_m, counts_h,
  hr_counts(counts_s, counts_h) AS hr_counts_hs,
  hr_counts_lolim(counts_s, counts_h) AS hr_counts_hs_lolim,
  hr_counts_hilim(counts_s, counts_h) AS hr_counts_hs_hilim,
  hr_counts(counts_m, counts_h) AS hr_counts_hm,
  hr_counts_lolim(counts_m, counts_h) AS hr_counts_hm_lolim,
  hr_counts_hilim(counts_m, counts_h) AS hr_counts_hm_hilim,
  hr_counts(counts_s, counts_m) AS hr_counts_ms,
  hr_counts_lolim(counts_s, counts_m) AS hr_counts_ms_lolim,
  hr_counts_hilim(counts_s, counts_m) AS hr_counts_ms_hilim,
  flag
FROM (
  SELECT detection_id, name, obsid, flag,
    count(*) FILTER (energy_ev >= 500 AND energy_ev < 1200) AS counts_s,
    count(*) FILTER (energy_ev >= 1200 AND energy_ev < 2000) AS counts_m,
    count(*) FILTER (energy_ev >= 2000 AND energy_ev < 7000) AS counts_h
  FROM product.detection_event
  WHERE in_source_region AND energy_ev IS NOT NULL
  GROUP BY detection_id, name, obsid, flag
);
