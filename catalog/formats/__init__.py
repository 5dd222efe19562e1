"""Out of a store: VOTable, FITS and other files, each written whole or not at all."""
