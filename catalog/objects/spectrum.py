"""The spectrum of a detection, and models folded through its response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError, UnknownName
from catalog.folding import (
    ACIS_CHANNELS,
    BAD_QUALITY,
    AreaMissing,
    EffectiveArea,
    Redistribution,
    background_scale,
    fold,
    nominal_acis_edges,
)
from catalog.objects.light_curve import with_units
from catalog.objects.product import Asks, Product
from catalog.palette import CLASS_COLOURS, LINE_COLOUR, MODEL_COLOUR, OTHER_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = npt.NDArray[np.float64]
Model = Callable[[Numbers], npt.ArrayLike]
EDGES_KEV: Numbers = np.geomspace(0.5, 8.0, 41)
"""Of the bins that a spectrum is drawn in."""
_UNITS = {"e_min": "keV", "e_max": "keV", "counts": "count", "background_counts": "count", "model_counts": "count"}
# Three points of Gauss and Legendre: exact for a polynomial of degree five in each energy bin.
_AT, _WEIGHT = np.polynomial.legendre.leggauss(3)


@dataclass(frozen=True)
class BinnedSpectrum:
    """Net count rate per energy.

    Attributes
    ----------
    edges_kev : ndarray of float, shape (n_bin + 1,)
    rate, error : ndarray of float, shape (n_bin,)
        count/s/keV: source minus scaled background, and its standard deviation from the counts of both.
    """

    edges_kev: Numbers
    rate: Numbers
    error: Numbers


class Spectrum(Product):
    """A spectrum: counts per channel of a source and its background, with the response.

    Columns, one row per channel: channel, e_min, e_max [keV], counts and background_counts [count].

    Attributes
    ----------
    spectrum_id : str
        Its row of product.spectrum.
    exposure_s : float
        Exposure times AREASCAL, s.
    background_scale : float
        What a background count stands for in the source region; 0 without a background.
    energies_from : str
        What tells the energies of the channels: response, nominal (of ACIS), or nothing.
    """

    def __init__(self, rows: pa.Table, about: str, row: dict[str, Any], energies_from: str, cat: Asks) -> None:
        super().__init__(rows, about)
        self.spectrum_id, self.energies_from = str(row["spectrum_id"]), energies_from
        self.exposure_s = (row["exposure_s"] or np.nan) * (1.0 if row["areascal"] is None else row["areascal"])
        self.background_scale = _scale(row)
        self._response_ids, self._cat = (row["arf_id"], row["rmf_id"]), cat

    @cached_property
    def arf(self) -> EffectiveArea | None:
        """Its effective area; None where the store has none."""
        found = _response(self._cat, "arf", self._response_ids[0])
        return None if found is None else EffectiveArea.from_arrow(found)

    @cached_property
    def rmf(self) -> Redistribution | None:
        """Its redistribution matrix; None where the store has none."""
        found = _response(self._cat, "rmf", self._response_ids[1])
        return None if found is None else Redistribution.from_arrow(found)

    def rebinned(self, edges_kev: npt.ArrayLike = EDGES_KEV) -> BinnedSpectrum:
        """Return the net count rate in wider bins; a channel goes where its middle is.

        Parameters
        ----------
        edges_kev : array_like, shape (n_bin + 1,)
            Rising edges, keV.
        """
        edges = np.asarray(edges_kev, np.float64)
        source, background = (self._sum(self[name], edges) for name in ("counts", "background_counts"))
        width = np.diff(edges) * self.exposure_s
        error = np.sqrt(source + self.background_scale**2 * background)
        return BinnedSpectrum(edges, (source - self.background_scale * background) / width, error / width)

    def background_rate(self, edges_kev: npt.ArrayLike = EDGES_KEV) -> Numbers:
        """Return the scaled background in bins, count/s/keV, shape (n_bin,); zeros without a background.

        Parameters
        ----------
        edges_kev : array_like, shape (n_bin + 1,)
            Rising edges, keV.
        """
        edges = np.asarray(edges_kev, np.float64)
        counts = self._sum(self["background_counts"], edges)
        return np.asarray(self.background_scale * counts / (np.diff(edges) * self.exposure_s), np.float64)

    def fold(self, model: Model) -> FoldedModel:
        """Fold a model of photons through this spectrum's response.

        Parameters
        ----------
        model : callable
            Takes photon energies, keV, shape (n,), and returns photon cm**-2 s**-1 keV**-1, shape (n,), as numbers or
            as an astropy quantity. It is asked at three points in each energy bin of the response.

        Returns
        -------
        FoldedModel
            Expected counts of the source per channel.

        Raises
        ------
        UnknownName
            If the store has no response matrix for the spectrum.
        AreaMissing
            If it has a matrix of probabilities, and no effective area.
        QueryError
            If the model does not return a number for each energy.

        Source: Davis 2001, ApJ 548, 1010.

        Examples
        --------
        >>> folded = spectrum.fold(lambda energy_kev: 1e-4 * energy_kev**-1.7)  # doctest: +SKIP
        >>> folded.plot(ax=spectrum.plot())  # doctest: +SKIP
        """
        if self.rmf is None:
            raise UnknownName(
                f"the store has no response matrix for the spectrum of {self.about}; load its rmf3 and arf3 (or .rmf "
                f"and .arf): product.spectrum.respfile names it, spectrum_id {self.spectrum_id}"
            )
        if self.arf is None and not self.rmf.includes_area:
            raise AreaMissing(
                f"the store has a matrix for the spectrum of {self.about}, and no effective area; load its arf3 (or "
                f".arf): product.spectrum.ancrfile names it, spectrum_id {self.spectrum_id}"
            )
        flux = integrated(model, self.rmf.energ_lo, self.rmf.energ_hi)
        counts = fold(flux, None if self.rmf.includes_area else self.arf, self.rmf, self.exposure_s)
        columns = self.rows.select(["channel", "e_min", "e_max"])
        rows = columns.append_column("model_counts", pa.array(counts[: len(self)], from_pandas=True))
        return FoldedModel(with_units(rows, _UNITS), self.about, self.exposure_s)

    @property
    def caption(self) -> str:
        """What a drawing of it shows, in one sentence."""
        background = "points: net count rate; line: its background" if self.background_scale else "points: count rate"
        energies = "; nominal energies, as the response is missing" if self.energies_from == "nominal" else ""
        return f"Spectrum of {self.about}, {self.exposure_s / 1e3:.3g} ks; {background}{energies}"

    def _sum(self, counts: npt.NDArray[np.generic], edges: Numbers) -> Numbers:
        return _binned(self, np.nan_to_num(np.asarray(counts, np.float64)), edges)

    def _draw(self, axes: Axes) -> None:
        made = self.rebinned()
        at = np.sqrt(made.edges_kev[:-1] * made.edges_kev[1:])
        axes.errorbar(
            at, made.rate, made.error, fmt=".", color=CLASS_COLOURS[0], markersize=4, linewidth=0.8, label="net"
        )
        if self.background_scale:
            axes.stairs(
                self.background_rate(), made.edges_kev, color=LINE_COLOUR, linewidth=0.8, label="background, scaled"
            )
        axes.axhline(0, color=OTHER_COLOUR, linewidth=0.6)
        _energy_axis(axes)
        axes.set(ylabel="count/s/keV", title=self.about)
        axes.legend(fontsize="small")


class FoldedModel(Product):
    """A model as the detector would count it.

    Columns, one row per channel: channel, e_min, e_max [keV] and model_counts [count], of the source alone.

    Attributes
    ----------
    exposure_s : float
    """

    def __init__(self, rows: pa.Table, about: str, exposure_s: float) -> None:
        super().__init__(rows, about)
        self.exposure_s = exposure_s

    def rebinned(self, edges_kev: npt.ArrayLike = EDGES_KEV) -> BinnedSpectrum:
        """Return the expected count rate in wider bins; without an error."""
        edges = np.asarray(edges_kev, np.float64)
        rate = _binned(self, np.asarray(self["model_counts"], np.float64), edges) / (np.diff(edges) * self.exposure_s)
        return BinnedSpectrum(edges, rate, np.zeros_like(rate))

    def _draw(self, axes: Axes) -> None:
        made = self.rebinned()
        axes.stairs(made.rate, made.edges_kev, color=MODEL_COLOUR, label="model, folded", baseline=None)
        _energy_axis(axes)
        axes.set(ylabel="count/s/keV", title=self.about)
        axes.legend(fontsize="small")


def integrated(model: Model, energ_lo: npt.ArrayLike, energ_hi: npt.ArrayLike) -> Numbers:
    """Integrate a model over energy bins.

    Parameters
    ----------
    model : callable
        Photon energies, keV -> photon cm**-2 s**-1 keV**-1.
    energ_lo, energ_hi : array_like, shape (n_energy,)
        Edges of the bins, keV.

    Returns
    -------
    ndarray, shape (n_energy,)
        photon cm**-2 s**-1 in each bin.

    Raises
    ------
    QueryError
        If the model does not return a finite number for each energy.

    Examples
    --------
    >>> integrated(lambda energy_kev: 3 * energy_kev**2, [1.0, 2.0], [2.0, 3.0]).round(9).tolist()
    [7.0, 19.0]
    """
    lo, hi = np.asarray(energ_lo, np.float64), np.asarray(energ_hi, np.float64)
    half = (hi - lo) / 2
    energy = (lo + half)[:, None] + half[:, None] * _AT
    flux = model(energy.ravel())
    if hasattr(flux, "unit"):
        from astropy import units as u  # noqa: PLC0415 - heavy, and for those who bring one

        try:
            flux = u.Quantity(flux).to_value("photon / (cm2 s keV)")
        except u.UnitConversionError:
            try:
                flux = u.Quantity(flux).to_value("1 / (cm2 s keV)")
            except u.UnitConversionError as error:
                raise QueryError(f"expected a model in photon / (cm2 s keV), found {error}") from error
    values = np.asarray(flux, np.float64)
    if values.ndim and values.shape != (energy.size,):
        raise QueryError(
            f"expected a model that returns a number for each of {energy.size} energies, found shape {values.shape}"
        )
    values = np.broadcast_to(values, (energy.size,))
    if not np.isfinite(values).all():
        at = energy.ravel()[~np.isfinite(values)][0]
        raise QueryError(
            f"expected a model that is finite from {lo.min():g} to {hi.max():g} keV; at {at:g} keV it is not"
        )
    return np.asarray((values.reshape(energy.shape) * _WEIGHT).sum(axis=1) * half)


def spectrum(cat: Asks, detection_id: str) -> Spectrum:
    """Return the spectrum of a detection; see `catalog.objects.source.Detection.spectrum`."""
    found = cat.sql(
        "SELECT s.spectrum_id, s.first_channel, s.counts, s.exposure_s, s.backscal, s.areascal, s.quality, "
        "s.background_counts, s.background_exposure_s, s.background_backscal, s.background_areascal, s.hduclas2, "
        "s.arf_id, s.rmf_id, r.e_min, r.e_max, h.instrument FROM product.spectrum AS s "
        "LEFT JOIN product.rmf AS r USING (rmf_id) LEFT JOIN product.header AS h ON h.file_id = s.file_id "
        "WHERE s.detection_id = $id AND s.counts IS NOT NULL AND s.role IS DISTINCT FROM 'background' "
        "ORDER BY s.rmf_id IS NULL, s.exposure_s DESC, s.spectrum_id LIMIT 1",
        id=detection_id,
    ).arrow()
    if not found.num_rows:
        raise UnknownName(
            f"the store has no spectrum of {detection_id} with counts; load its pha3, or a .pi file of ObsID "
            f"{detection_id.split('.', maxsplit=1)[0]}"
        )
    row = {name: _plain(found[name]) for name in found.column_names}
    counts, n = row["counts"].copy(), len(row["counts"])
    if row["quality"] is not None and len(row["quality"]) == n:
        counts[np.isin(row["quality"], BAD_QUALITY)] = np.nan
    background = row["background_counts"]
    if background is None or len(background) != n:
        row["background_counts"], background = None, np.full(n, np.nan)
    e_min, e_max, energies_from = _energies(row, n)
    first = 1 if row["first_channel"] is None else row["first_channel"]
    columns = {"channel": first + np.arange(n), "e_min": e_min, "e_max": e_max, "counts": counts}
    columns |= {"background_counts": background}
    rows = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    return Spectrum(with_units(rows, _UNITS), detection_id, row, energies_from, cat)


def _plain(column: pa.ChunkedArray) -> Any:  # noqa: ANN401 - a number, a text, an array, or None
    """Return the value of the one row; a list as an array of numbers."""
    if not pa.types.is_list(column.type) or not column[0].is_valid:
        return column[0].as_py()
    return np.asarray(column[0].values.to_numpy(zero_copy_only=False), np.float64)


def _scale(row: dict[str, Any]) -> float:
    if row["background_counts"] is None or row["hduclas2"] == "NET":
        return 0.0
    names = (f"{side}{name}" for side in ("", "background_") for name in ("exposure_s", "backscal", "areascal"))
    return float(background_scale(*(np.nan if row[name] is None else row[name] for name in names)))


def _response(cat: Asks, kind: str, key: str | None) -> pa.Table | None:
    """Return the row of a response, None where the store has none."""
    if key is None:
        return None
    found = cat.sql(f"SELECT * FROM product.{kind} WHERE {kind}_id = $key", key=key).arrow()
    return found if found.num_rows else None


def _energies(row: dict[str, Any], n_channel: int) -> tuple[Numbers, Numbers, str]:
    """Return the energies of the channels, and what tells them; HRC does not measure energies."""
    e_min, e_max = row["e_min"], row["e_max"]
    if row["instrument"] != "HRC":
        if e_min is not None and e_max is not None and len(e_min) == n_channel:
            return e_min, e_max, "response"
        if n_channel == ACIS_CHANNELS:
            return *nominal_acis_edges(), "nominal"
    return np.full(n_channel, np.nan), np.full(n_channel, np.nan), "nothing"


def _binned(product: Product, counts: Numbers, edges: Numbers) -> Numbers:
    middle = (np.asarray(product["e_min"], np.float64) + np.asarray(product["e_max"], np.float64)) / 2
    known = np.isfinite(middle)
    return np.asarray(np.histogram(middle[known], edges, weights=counts[known])[0], np.float64)


def _energy_axis(axes: Axes) -> None:
    axes.set(xscale="log", xlabel="energy [keV]", xlim=(EDGES_KEV[0], EDGES_KEV[-1]))
    axes.set_xticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
    axes.set_xticks([], minor=True)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
