"""Photons of a detection: one by one, and as an image of the sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError, UnknownName
from catalog.objects.light_curve import with_units
from catalog.objects.product import Asks, Product
from catalog.palette import MODEL_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = npt.NDArray[np.float64]
_AROUND = 4.0
"""So many times the region's largest radius an image reaches out."""
_LEAST_ARCSEC = 10.0
_N_ENERGY, _N_TIME = 40, 60
_MOST_PIXELS = 2000
_LINEAR_TO = 20


class Events(Product):
    """Photons, in order of arrival.

    Columns: time_s, x, y, energy_ev, pi, ccd_id, in_source_region and file_id, as product.detection_event has them.
    """

    def by_energy_and_time(self) -> tuple[Numbers, Numbers, Numbers]:
        """Count the photons in cells of energy and time.

        Returns
        -------
        counts : ndarray of float, shape (n_energy, n_time)
            Photons per cell; those of unknown energy or time, or outside of 0.3 to 10 keV, are in none.
        time_s : ndarray of float, shape (n_time + 1,)
            Edges, mission seconds; the more photons, the more cells.
        energy_kev : ndarray of float, shape (n_energy + 1,)
            Edges, keV, equally far apart in the logarithm.

        Examples
        --------
        >>> photons = pa.table({"time_s": [10.0, 12.0, 18.0], "energy_ev": [900.0, 1500.0, 20_000.0]})
        >>> counts, time_s, energy_kev = Events(photons, "a detection").by_energy_and_time()
        >>> counts.sum(), counts.shape, time_s[[0, -1]].tolist()
        (np.float64(2.0), (40, 8), [10.0, 18.0])
        """
        time, energy = np.asarray(self["time_s"], np.float64), np.asarray(self["energy_ev"], np.float64) / 1e3
        known = np.isfinite(time) & np.isfinite(energy) & (energy > 0)
        edges = np.geomspace(0.3, 10.0, _N_ENERGY + 1)
        n_time = int(np.clip(known.sum() / 8, 8, _N_TIME))
        counts, energy_kev, time_s = np.histogram2d(energy[known], time[known], bins=(edges, n_time))
        return counts, time_s, energy_kev

    def _draw(self, axes: Axes) -> None:
        """Draw energy over time: counts per cell."""
        counts, time_s, edges = self.by_energy_and_time()
        zero = float(time_s[0])
        drawn = axes.pcolormesh((time_s - zero) / 1e3, edges, np.ma.masked_equal(counts, 0))
        axes.figure.colorbar(drawn, ax=axes, label="counts")
        axes.set(yscale="log", xlabel=f"time since {zero:.0f} s [ks]", ylabel="energy [keV]", title=self.about)
        axes.set_yticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
        axes.set_yticks([], minor=True)


def events(cat: Asks, detection_id: str, *, source_only: bool = True) -> Events:
    """Return a detection's photons; see `catalog.objects.source.Detection.events`."""
    inside = "AND in_source_region" if source_only else ""
    rows = cat.sql(
        "SELECT time_s, x, y, energy_ev, pi, ccd_id, in_source_region, file_id FROM product.detection_event "
        f"WHERE detection_id = $id {inside} ORDER BY time_s, file_id, row",
        id=detection_id,
    ).arrow()
    if not rows.num_rows:
        raise UnknownName(
            f"the store has no photons {'in the source region ' if source_only else ''}of {detection_id}; load its "
            f"regevt3, or an event file of ObsID {detection_id.split('.', maxsplit=1)[0]}"
        )
    return Events(rows, detection_id)


@dataclass(frozen=True)
class Region:
    """Where a source is in its image.

    Attributes
    ----------
    x, y : float
        Centre, sky pixels.
    semi_major, semi_minor : float
        Semi-axes, sky pixels.
    angle_deg : float
        Position angle of the major axis, from north through east.
    region_from : str
        What tells it: product.detection_region.region_from.
    """

    x: float
    y: float
    semi_major: float
    semi_minor: float
    angle_deg: float
    region_from: str


class Image(Product):
    """Photons around a source in sky pixels: north is up, east is left.

    Columns, one row per pixel: x, y [pixel], its centre, and counts [count].

    Attributes
    ----------
    counts : ndarray of int, shape (n_y, n_x)
    x_edges, y_edges : ndarray of float, shape (n_x + 1,), (n_y + 1,)
        Edges of the pixels, sky pixels of the observation.
    pixel_arcsec : float
        Side of a sky pixel, arcsec.
    region : Region
    """

    def __init__(
        self,
        counts: npt.NDArray[np.int64],
        x_edges: Numbers,
        y_edges: Numbers,
        pixel_arcsec: float,
        region: Region,
        about: str,
    ) -> None:
        self.counts, self.x_edges, self.y_edges = counts, x_edges, y_edges
        self.pixel_arcsec, self.region = pixel_arcsec, region
        x, y = np.meshgrid((x_edges[:-1] + x_edges[1:]) / 2, (y_edges[:-1] + y_edges[1:]) / 2)
        rows = pa.table({"x": x.ravel(), "y": y.ravel(), "counts": counts.ravel()})
        super().__init__(with_units(rows, {"x": "pixel", "y": "pixel", "counts": "count"}), about)

    def _draw(self, axes: Axes) -> None:
        from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415 - as in `plot`
        from matplotlib.patches import Ellipse  # noqa: PLC0415 - as in `plot`

        r, scale = self.region, self.pixel_arcsec
        shown = np.ma.masked_equal(self.counts, 0)
        most = int(self.counts.max())
        x, y = (self.x_edges - r.x) * scale, (self.y_edges - r.y) * scale
        drawn = axes.pcolormesh(x, y, shown, norm=LogNorm(1, most) if most > _LINEAR_TO else Normalize(0, max(most, 1)))
        axes.figure.colorbar(drawn, ax=axes, label="counts per pixel")
        # Sky x grows to the west, as the image is drawn: east through north is anticlockwise from up.
        outline = Ellipse(
            (0, 0),
            2 * r.semi_minor * scale,
            2 * r.semi_major * scale,
            angle=r.angle_deg,
            fill=False,
            color=MODEL_COLOUR,
        )
        axes.add_patch(outline)
        axes.set(xlabel="to the west [arcsec]", ylabel="to the north [arcsec]", title=self.about, aspect="equal")
        axes.set_facecolor("#f4f6f8")
        axes.plot([], [], color=MODEL_COLOUR, label=f"source region ({r.region_from})")
        axes.legend(loc="upper right", fontsize="small")


def image(cat: Asks, detection_id: str, pixels: float = 1.0) -> Image:
    """Return the image of a detection; see `catalog.objects.source.Detection.image`."""
    if not pixels > 0:
        raise QueryError(f"expected a pixel of more than 0 sky pixels, found {pixels}")
    places = cat.sql(
        "SELECT file_id, x, y, abs(y_step_arcsec) AS step, semi_major_arcsec, semi_minor_arcsec, angle_deg, "
        "region_from FROM product.detection_region WHERE detection_id = $id AND x IS NOT NULL "
        "AND semi_major_arcsec IS NOT NULL AND taken_from <> 'corpus' ORDER BY file_id LIMIT 1",
        id=detection_id,
    ).fetchall()
    if not places:
        raise UnknownName(
            f"the store has no photons of {detection_id} with a place on the sky, or it is not known where its source "
            f"is; load its regevt3 and reg3, or an event file of ObsID {detection_id.split('.', maxsplit=1)[0]}"
        )
    file_id, *told, region_from = places[0]
    x, y, step, major, minor, angle = (float(str(v)) if v is not None else 0.0 for v in told)
    half = max(_AROUND * major, _LEAST_ARCSEC) / step
    half = min(np.ceil(half / pixels) * pixels, _MOST_PIXELS * pixels / 2)
    x0, y0 = np.floor(x) + 0.5 - half, np.floor(y) + 0.5 - half
    n = round(2 * half / pixels)
    photons = cat.sql(
        "SELECT x, y FROM product.event WHERE file_id = $file AND x BETWEEN $x0 AND $x1 AND y BETWEEN $y0 AND $y1",
        file=file_id, x0=x0, x1=x0 + n * pixels, y0=y0, y1=y0 + n * pixels,
    ).arrow()  # fmt: skip
    x_edges, y_edges = (start + pixels * np.arange(n + 1) for start in (x0, y0))
    counts = np.histogram2d(photons["y"].to_numpy(), photons["x"].to_numpy(), bins=(y_edges, x_edges))[0]
    region = Region(x, y, major / step, (minor or major) / step, angle, str(region_from))
    return Image(counts.astype(np.int64), x_edges, y_edges, step, region, detection_id)
