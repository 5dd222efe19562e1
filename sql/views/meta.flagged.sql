-- Files that were read though something in them is missing or was mended: one row per file and flag.
-- columns:
--   path {meta.ref;meta.file} Path or URL
--   kind {meta.code} What the file is
--   flag {meta.note} What is missing, or was done
--   n_rows {meta.number} Rows read from it
CREATE VIEW meta.flagged AS
SELECT path, kind, unnest(flags) AS flag, n_rows FROM meta.file WHERE status = 'loaded' AND len(flags) > 0;
