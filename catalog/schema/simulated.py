"""simulated.*: the truth behind simulated sources, kept apart so that no analysis can read it by accident."""

from __future__ import annotations

from catalog.schema.columns import FLOAT64, INT64, TEXT, Column, Table

SIMULATED: tuple[Table, ...] = (
    Table(
        "simulated.truth",
        "One row per simulated source: what it really is",
        ("file_id", "name"),
        (
            Column("name", TEXT, "Source name, '2CXO J...'", ucd="meta.id;src"),
            Column("class", TEXT, "AGN, YSO, low-mass star, high-mass star, CV, HMXB, LMXB, NS or ULX"),
            Column("spectral_model", TEXT, "Spectral model and parameters, JSON"),
            Column("variability", TEXT, "Kind of light curve and parameters, JSON"),
            Column("flux", FLOAT64, "Unabsorbed 0.5-7 keV energy flux", "erg/s/cm**2", "phot.flux"),
            Column("seed", INT64, "Seed of the survey"),
            Column("distance_pc", FLOAT64, "Distance; luminosities in abstracts are of it", "pc", "pos.distance"),
            Column("file_id", INT64, "File it came from: meta.file", ucd="meta.id"),
        ),
    ),
)
