-- Values of the catalog's tables in which files disagree: one row per value that does not hold, because a file that
-- counts more says something else. All that each file says stands in csc.master_source_said and
-- csc.observation_source_said.
-- columns:
--   table_name {meta.id;meta.table} csc.master_source or csc.observation_source
--   key {meta.id;src} Source or detection: the name or the detection_id of the row
--   column_name {meta.note} Column in which they disagree
--   value What this file says, as text
--   kept What holds, as text
--   path {meta.id;meta.file} The file
--   file_id {meta.id} meta.file
CREATE VIEW meta.conflict AS
WITH said AS (
  SELECT 'csc.master_source' AS table_name, s.name AS key, s.file_ids[1] AS file_id,
    unnest(s.disputed) AS column_name, to_json(s) AS theirs, to_json(m) AS ours
  FROM csc.master_source_said AS s JOIN csc.master_source AS m ON m.name = s.name
  WHERE len(s.disputed) > 0
  UNION ALL
  SELECT 'csc.observation_source', s.detection_id, s.file_ids[1], unnest(s.disputed), to_json(s), to_json(m)
  FROM csc.observation_source_said AS s JOIN csc.observation_source AS m ON m.detection_id = s.detection_id
  WHERE len(s.disputed) > 0
)
SELECT s.table_name, s.key, s.column_name, s.theirs ->> s.column_name AS value, s.ours ->> s.column_name AS kept,
  f.path, s.file_id
FROM said AS s JOIN meta.file AS f ON f.file_id = s.file_id;
