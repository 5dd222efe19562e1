"""Draw the pictures of the pages from a store: python docs/draw_pictures.py STORE [DETECTION_ID]."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

import catalog

PICTURES = Path(__file__).parent / "pictures"
BRIGHTEST = (
    "SELECT o.detection_id FROM csc.observation_source AS o SEMI JOIN product.spectrum AS s USING (detection_id) "
    "WHERE o.src_cnts_aper_b < 3000 ORDER BY o.src_cnts_aper_b DESC LIMIT 1"
)


def draw(store: str, detection_id: str | None = None) -> None:
    """Draw spectrum, light curve, photons and image of a detection, else of a bright one."""
    mpl.use("Agg")
    PICTURES.mkdir(exist_ok=True)
    with catalog.open(store) as cat:
        detection = cat.detection(detection_id or str(cat.sql(BRIGHTEST).fetchall()[0][0]))
        spectrum = detection.spectrum()
        axes = spectrum.plot()
        # A power law of the same counts between 1 and 4 keV.
        shape = spectrum.fold(lambda energy_kev: energy_kev**-1.7)
        (net,), (model,) = spectrum.rebinned([1, 4]).rate, shape.rebinned([1, 4]).rate
        spectrum.fold(lambda energy_kev: net / model * energy_kev**-1.7).plot(axes)
        drawn = {"spectrum": axes, "light_curve": detection.light_curve().plot()}
        drawn |= {"events": detection.events().plot(), "image": detection.image().plot()}
        for name, on in drawn.items():
            on.figure.savefig(PICTURES / f"{name}.png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    draw(*sys.argv[1:])
