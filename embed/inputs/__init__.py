"""Rows of a store -> the arrays that encoders read: spectra, photons, papers, catalog columns, pairs."""
