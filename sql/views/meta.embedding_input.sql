-- One row per detection or paper and modality: what an encoder of that modality would read, by its hash. Written by
-- `python -m embed.inputs.modalities` from the inputs' own SQL.
-- columns:
--   modality {meta.code} spectrum, spectrum_counts, binned_counts, events, papers, properties; events+papers, ...
--   id {meta.id} detection_id or bibcode; spectrum_id of a spectrum that is of no detection
--   name {meta.id;src} Source the detection belongs to; the bibcode of a paper
--   input_sha256 Hash that changes when, and only when, the input does
CREATE VIEW meta.embedding_input AS
SELECT 'spectrum' AS modality, id, name, input_sha256 FROM (
WITH chosen AS (
  SELECT coalesce(detection_id, spectrum_id) AS id, detection_id, spectrum_id, file_id, arf_id, rmf_id, background_id
  FROM product.spectrum
  WHERE coalesce(detection_id, spectrum_id) IN (SELECT id FROM (SELECT coalesce(detection_id, spectrum_id) AS id FROM product.spectrum)) AND role = 'source'
    AND grating_order IS NULL
  QUALIFY row_number() OVER (PARTITION BY coalesce(detection_id, spectrum_id)
    ORDER BY rmf_id IS NULL, arf_id IS NULL, counts IS NULL, exposure_s DESC NULLS LAST, spectrum_id) = 1
)
SELECT c.id, o.name, sha256(concat_ws('|', 'spectrum-1', c.spectrum_id, coalesce(c.background_id, '-'),
  coalesce(c.rmf_id, '-'), CASE WHEN c.file_id IN (SELECT file_id FROM product.header WHERE instrument = 'HRC') THEN 'HRC' END)) AS input_sha256
FROM chosen AS c LEFT JOIN product.detection_name AS o ON o.detection_id = c.detection_id
)
UNION ALL
SELECT 'spectrum_counts' AS modality, id, name, input_sha256 FROM (
WITH chosen AS (
  SELECT coalesce(detection_id, spectrum_id) AS id, detection_id, spectrum_id, file_id, arf_id, rmf_id, background_id
  FROM product.spectrum
  WHERE coalesce(detection_id, spectrum_id) IN (SELECT id FROM (SELECT coalesce(detection_id, spectrum_id) AS id FROM product.spectrum)) AND role = 'source'
    AND grating_order IS NULL
  QUALIFY row_number() OVER (PARTITION BY coalesce(detection_id, spectrum_id)
    ORDER BY rmf_id IS NULL, arf_id IS NULL, counts IS NULL, exposure_s DESC NULLS LAST, spectrum_id) = 1
)
SELECT c.id, o.name, sha256(concat_ws('|', 'spectrum-counts-2', coalesce(c.arf_id, '-'), c.spectrum_id, coalesce(c.background_id, '-'),
  coalesce(c.rmf_id, '-'), CASE WHEN c.file_id IN (SELECT file_id FROM product.header WHERE instrument = 'HRC') THEN 'HRC' END)) AS input_sha256
FROM chosen AS c LEFT JOIN product.detection_name AS o ON o.detection_id = c.detection_id
)
UNION ALL
SELECT 'binned_counts' AS modality, id, name, input_sha256 FROM (
WITH chosen AS (
  SELECT coalesce(detection_id, spectrum_id) AS id, detection_id, spectrum_id, file_id, arf_id, rmf_id, background_id
  FROM product.spectrum
  WHERE coalesce(detection_id, spectrum_id) IN (SELECT id FROM (SELECT coalesce(detection_id, spectrum_id) AS id FROM product.spectrum)) AND role = 'source'
    AND grating_order IS NULL
  QUALIFY row_number() OVER (PARTITION BY coalesce(detection_id, spectrum_id)
    ORDER BY rmf_id IS NULL, arf_id IS NULL, counts IS NULL, exposure_s DESC NULLS LAST, spectrum_id) = 1
)
SELECT c.id, o.name, sha256(concat_ws('|', 'binned-counts-1', coalesce(c.arf_id, '-'), c.spectrum_id, coalesce(c.background_id, '-'),
  coalesce(c.rmf_id, '-'), CASE WHEN c.file_id IN (SELECT file_id FROM product.header WHERE instrument = 'HRC') THEN 'HRC' END)) AS input_sha256
FROM chosen AS c LEFT JOIN product.detection_name AS o ON o.detection_id = c.detection_id
)
UNION ALL
SELECT 'events' AS modality, id, name, input_sha256 FROM (
SELECT id, any_value(name) AS name, sha256(concat_ws('|', 'events-2', string_agg(input, ';' ORDER BY
  input))) AS input_sha256
FROM (
  SELECT r.detection_id AS id, r.name, concat_ws(',', coalesce(f.sha256, f.path), coalesce(r.x, -1), coalesce(r.y, -1),
    coalesce(r.semi_major_arcsec, -1), coalesce(r.semi_minor_arcsec, -1), coalesce(r.angle_deg, -1),
    coalesce(r.shapes::VARCHAR, '-'), coalesce(r.flag, '-')) AS input
  FROM product.detection_region AS r
  JOIN meta.file AS f ON f.file_id = r.file_id
  WHERE r.detection_id IN (SELECT id FROM (SELECT detection_id AS id FROM product.detection_region))
)
GROUP BY id
)
UNION ALL
SELECT 'papers' AS modality, id, name, input_sha256 FROM (
SELECT bibcode AS id, bibcode AS name,
  sha256(concat_ws('|', 'papers-3', coalesce(title, ''), coalesce(abstract, ''))) AS input_sha256
FROM lit.paper WHERE bibcode IN (SELECT id FROM (SELECT bibcode AS id FROM lit.paper))
)
UNION ALL
SELECT 'properties' AS modality, id, name, input_sha256 FROM (
SELECT detection_id AS id, name, sha256(concat_ws('|', 'properties-1',
  coalesce(hard_hm::VARCHAR, '-'), coalesce(hard_hs::VARCHAR, '-'), coalesce(hard_ms::VARCHAR, '-'), coalesce(powlaw_gamma::VARCHAR, '-'), coalesce(var_prob_b::VARCHAR, '-'), coalesce(var_prob_s::VARCHAR, '-'), coalesce(var_prob_m::VARCHAR, '-'), coalesce(var_prob_h::VARCHAR, '-'), coalesce(var_index_b::VARCHAR, '-'), coalesce(var_index_s::VARCHAR, '-'), coalesce(var_index_m::VARCHAR, '-'), coalesce(var_index_h::VARCHAR, '-'), coalesce(ks_prob_b::VARCHAR, '-'), coalesce(kp_prob_b::VARCHAR, '-'), coalesce(flux_aper_b::VARCHAR, '-'), coalesce(flux_aper_s::VARCHAR, '-'), coalesce(flux_aper_m::VARCHAR, '-'), coalesce(flux_aper_h::VARCHAR, '-'), coalesce(flux_significance_b::VARCHAR, '-'), coalesce(src_cnts_aper_b::VARCHAR, '-'), coalesce(src_rate_aper_b::VARCHAR, '-'), coalesce(powlaw_nh::VARCHAR, '-'), coalesce(bb_nh::VARCHAR, '-'), coalesce(brems_nh::VARCHAR, '-'), coalesce(apec_nh::VARCHAR, '-'), coalesce(bb_kt::VARCHAR, '-'), coalesce(brems_kt::VARCHAR, '-'), coalesce(apec_kt::VARCHAR, '-'), coalesce(var_sigma_b::VARCHAR, '-'), coalesce(var_mean_b::VARCHAR, '-'), coalesce(var_max_b::VARCHAR, '-'))) AS input_sha256
FROM csc.observation_source WHERE detection_id IN (SELECT id FROM (SELECT detection_id AS id FROM csc.observation_source))
)
UNION ALL
SELECT 'events+papers' AS modality, id, name, input_sha256 FROM (
WITH made AS (
  SELECT m.space, m.id, m.name, m.encoder_id, m.input_sha256, m.skipped
  FROM meta.embedded AS m JOIN meta.space AS s ON s.space = m.space AND s.encoder_id = m.encoder_id), chosen AS (
  SELECT events.id, coalesce(o.name, events.name) AS name, concat_ws(',', events.encoder_id, events.input_sha256) AS data_inputs
  FROM made AS events LEFT JOIN csc.observation_source AS o ON o.detection_id = events.id
  WHERE events.space = 'events' AND events.skipped IS NULL AND events.id IN (SELECT id FROM (SELECT id FROM meta.embedded WHERE space = 'events' AND skipped IS NULL))), linked AS (SELECT name, bibcode FROM lit.confident_link WHERE name IN (SELECT name FROM chosen)),
text AS (
  SELECT l.name, string_agg(concat_ws(',', l.bibcode, m.encoder_id, m.input_sha256), ';' ORDER BY l.bibcode) AS papers
  FROM linked AS l JOIN made AS m ON m.space = 'papers' AND m.id = l.bibcode AND m.skipped IS NULL
  GROUP BY l.name
)
SELECT c.id, c.name, sha256(concat_ws('|', 'pairs-5', c.data_inputs, coalesce(t.papers, '-'))) AS input_sha256
FROM chosen AS c LEFT JOIN text AS t ON t.name = c.name
)
UNION ALL
SELECT 'spectrum+papers' AS modality, id, name, input_sha256 FROM (
WITH made AS (
  SELECT m.space, m.id, m.name, m.encoder_id, m.input_sha256, m.skipped
  FROM meta.embedded AS m JOIN meta.space AS s ON s.space = m.space AND s.encoder_id = m.encoder_id), chosen AS (
  SELECT spectrum.id, coalesce(o.name, spectrum.name) AS name, concat_ws(',', spectrum.encoder_id, spectrum.input_sha256) AS data_inputs
  FROM made AS spectrum LEFT JOIN csc.observation_source AS o ON o.detection_id = spectrum.id
  WHERE spectrum.space = 'spectrum' AND spectrum.skipped IS NULL AND spectrum.id IN (SELECT id FROM (SELECT id FROM meta.embedded WHERE space = 'spectrum' AND skipped IS NULL))), linked AS (SELECT name, bibcode FROM lit.confident_link WHERE name IN (SELECT name FROM chosen)),
text AS (
  SELECT l.name, string_agg(concat_ws(',', l.bibcode, m.encoder_id, m.input_sha256), ';' ORDER BY l.bibcode) AS papers
  FROM linked AS l JOIN made AS m ON m.space = 'papers' AND m.id = l.bibcode AND m.skipped IS NULL
  GROUP BY l.name
)
SELECT c.id, c.name, sha256(concat_ws('|', 'pairs-5', c.data_inputs, coalesce(t.papers, '-'))) AS input_sha256
FROM chosen AS c LEFT JOIN text AS t ON t.name = c.name
)
UNION ALL
SELECT 'properties+papers' AS modality, id, name, input_sha256 FROM (
WITH made AS (
  SELECT m.space, m.id, m.name, m.encoder_id, m.input_sha256, m.skipped
  FROM meta.embedded AS m JOIN meta.space AS s ON s.space = m.space AND s.encoder_id = m.encoder_id), chosen AS (
  SELECT properties.id, coalesce(o.name, properties.name) AS name, concat_ws(',', properties.encoder_id, properties.input_sha256) AS data_inputs
  FROM made AS properties LEFT JOIN csc.observation_source AS o ON o.detection_id = properties.id
  WHERE properties.space = 'properties' AND properties.skipped IS NULL AND properties.id IN (SELECT id FROM (SELECT id FROM meta.embedded WHERE space = 'properties' AND skipped IS NULL))), linked AS (SELECT name, bibcode FROM lit.confident_link WHERE name IN (SELECT name FROM chosen)),
text AS (
  SELECT l.name, string_agg(concat_ws(',', l.bibcode, m.encoder_id, m.input_sha256), ';' ORDER BY l.bibcode) AS papers
  FROM linked AS l JOIN made AS m ON m.space = 'papers' AND m.id = l.bibcode AND m.skipped IS NULL
  GROUP BY l.name
)
SELECT c.id, c.name, sha256(concat_ws('|', 'pairs-5', c.data_inputs, coalesce(t.papers, '-'))) AS input_sha256
FROM chosen AS c LEFT JOIN text AS t ON t.name = c.name
)
UNION ALL
SELECT 'events-spectrum+papers' AS modality, id, name, input_sha256 FROM (
WITH made AS (
  SELECT m.space, m.id, m.name, m.encoder_id, m.input_sha256, m.skipped
  FROM meta.embedded AS m JOIN meta.space AS s ON s.space = m.space AND s.encoder_id = m.encoder_id), chosen AS (
  SELECT events.id, coalesce(o.name, events.name) AS name, concat_ws(',', events.encoder_id, events.input_sha256, spectrum.encoder_id, spectrum.input_sha256) AS data_inputs
  FROM made AS events JOIN made AS spectrum ON spectrum.space = 'spectrum' AND spectrum.id = events.id AND spectrum.skipped IS NULL LEFT JOIN csc.observation_source AS o ON o.detection_id = events.id
  WHERE events.space = 'events' AND events.skipped IS NULL AND events.id IN (SELECT id FROM (SELECT id FROM meta.embedded WHERE space = 'events' AND skipped IS NULL))), linked AS (SELECT name, bibcode FROM lit.confident_link WHERE name IN (SELECT name FROM chosen)),
text AS (
  SELECT l.name, string_agg(concat_ws(',', l.bibcode, m.encoder_id, m.input_sha256), ';' ORDER BY l.bibcode) AS papers
  FROM linked AS l JOIN made AS m ON m.space = 'papers' AND m.id = l.bibcode AND m.skipped IS NULL
  GROUP BY l.name
)
SELECT c.id, c.name, sha256(concat_ws('|', 'pairs-5', c.data_inputs, coalesce(t.papers, '-'))) AS input_sha256
FROM chosen AS c LEFT JOIN text AS t ON t.name = c.name
);
