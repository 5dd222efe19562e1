"""What data products hold, read into tables: photons, spectra and their responses, light curves."""
