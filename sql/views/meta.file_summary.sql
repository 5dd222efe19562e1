-- Files by kind and status.
-- columns:
--   kind {meta.code} What the files are
--   status {meta.code} loaded, duplicate, skipped, failed, or stale
--   n_files {meta.number} Number of files
--   n_rows {meta.number} Rows read from them
--   bytes [byte] {phys.size;meta.file} Size on disk
CREATE VIEW meta.file_summary AS
SELECT kind, status, count(*) AS n_files, coalesce(sum(n_rows), 0)::BIGINT AS n_rows,
  coalesce(sum(bytes), 0)::BIGINT AS bytes
FROM meta.file GROUP BY kind, status ORDER BY kind, status;
