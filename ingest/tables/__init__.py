"""Catalog tables in every form they travel in: TSV, CSV, VOTable, FITS, Parquet; object types; event corpora."""
