"""Study 2: photons and papers in one space. Retrieval, regression, neighbours."""
