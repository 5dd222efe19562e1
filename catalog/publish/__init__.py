"""The store made into what others read: files for fitting programs, HATS catalogs, sky coverage, TOPCAT."""
