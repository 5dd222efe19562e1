"""A store of spectra that a network can learn, two detections to a source."""

from __future__ import annotations

from pathlib import Path

from factories.encoder_inputs import E_MAX, E_MIN, spectrum_table
from factories.store import write


def add_spectra(store: Path, n: int, seed: int = 0) -> None:
    """Add n spectra of n / 2 sources, with their response, headers and rows of the catalog."""
    table = spectrum_table(n, seed, counts=300.0)
    spectra, headers, detections = [], [], []
    for row in table.select(["id", "name", "counts", "exposure_s", "backscal", "areascal"]).to_pylist():
        obsid, obi, region_id = (int(x) for x in row.pop("id").split("."))
        whose = {"detection_id": f"{obsid}.{obi}.{region_id}", "obsid": obsid, "obi": obi, "region_id": region_id}
        detections.append(whose | {"name": row.pop("name"), "flux_significance_b": float(region_id % 10)})
        headers.append(whose | {"file_id": obsid, "kind": "spectrum"})
        spectra.append(whose | row | {"spectrum_id": f"s{obsid}", "file_id": obsid, "role": "source", "rmf_id": "r"})
    response = [{"rmf_id": "r", "e_min": E_MIN.tolist(), "e_max": E_MAX.tolist(), "n_channels": 1024, "valid": True}]
    write(store, "product.spectrum", *spectra)
    write(store, "product.header", *headers)
    write(store, "csc.observation_source", *detections)
    write(store, "product.rmf", *response)
