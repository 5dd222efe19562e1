-- What `python -m embed run` is to do: rows whose vector in a space is missing, or was made from another input or by
-- an older encoder; and vectors whose row is gone. A row that an encoder has met and could not use (meta.embedded
-- says why) is not stale until its input changes.
-- columns:
--   space Embedding space
--   id {meta.id} detection_id or bibcode
--   name {meta.id;src} Source the detection belongs to; the bibcode of a paper
--   reason {meta.note} new row, changed input, newer encoder, or row is gone
--   encoder_id {meta.id} Encoder that is to make the vector
--   input_sha256 Hash of the input it is to be made from; NULL where the row is gone
CREATE VIEW meta.stale AS
WITH encoder AS (SELECT space, encoder_id, modality FROM meta.encoder WHERE current),
wanted AS (
  SELECT e.space, e.encoder_id, i.id, i.name, i.input_sha256
  FROM encoder AS e JOIN meta.embedding_input AS i ON i.modality = e.modality
),
made AS (
  SELECT m.space, m.encoder_id, m.id, m.name, m.input_sha256
  FROM meta.embedded AS m JOIN encoder AS e ON e.space = m.space AND e.encoder_id = m.encoder_id
),
made_by_others AS (
  SELECT DISTINCT m.space, m.id
  FROM meta.embedded AS m JOIN encoder AS e ON e.space = m.space AND e.encoder_id <> m.encoder_id
)
SELECT coalesce(w.space, m.space) AS space, coalesce(w.id, m.id) AS id,
  CASE WHEN w.id IS NULL THEN m.name ELSE w.name END AS name,
  CASE WHEN w.id IS NULL THEN 'row is gone'
    WHEN m.id IS NOT NULL THEN 'changed input'
    WHEN o.id IS NOT NULL THEN 'newer encoder'
    ELSE 'new row' END AS reason,
  coalesce(w.encoder_id, m.encoder_id) AS encoder_id, w.input_sha256
FROM wanted AS w
FULL JOIN made AS m ON m.space = w.space AND m.id = w.id
LEFT JOIN made_by_others AS o ON o.space = w.space AND o.id = w.id
WHERE w.id IS NULL OR m.id IS NULL
  OR m.input_sha256 IS DISTINCT FROM w.input_sha256 OR m.name IS DISTINCT FROM w.name;
