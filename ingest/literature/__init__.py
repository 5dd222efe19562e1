"""Papers: records of ADS as JSON, JSON lines or BibTeX."""
