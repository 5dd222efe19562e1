"""What a script holds of one source: its spectrum, light curve, photons, image, papers and neighbours."""
