-- Files that could not be read, newest first, and why.
-- columns:
--   path {meta.ref;meta.file} Path or URL
--   kind {meta.code} What the file seemed to be
--   error {meta.note} What was expected, what was found, what to do
--   bytes [byte] {phys.size;meta.file} Size on disk
--   loaded_at {time.processing} When it was tried (UTC)
CREATE VIEW meta.failed AS
SELECT path, kind, error, bytes, loaded_at FROM meta.file WHERE status = 'failed' ORDER BY loaded_at DESC, path;
