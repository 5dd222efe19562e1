"""Study 1: what do the latents know? Clusters, classes, formulas."""
