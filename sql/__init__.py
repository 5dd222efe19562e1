"""The language: what users read and write. Text in, text out: no database, no I/O but the package's own files."""
