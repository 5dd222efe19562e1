"""Rows of product.spectrum with their channels' energies -> gridded spectra: the pure half of the spectrum input."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa

from embed.inputs.prepared import Prepared, ids_and_names
from embed.inputs.ragged import Floats, Ragged, numbers, ragged
from embed.inputs.spectrum_grid import ACIS_CHANNELS, N_POINTS, ChannelSpectra, grid, nominal_acis_edges

BAD_QUALITY = (1, 5)  # OGIP: set bad by the software, by the user; 2 only says 'a group too small'
_LISTS = ("counts", "rate", "stat_err", "background_counts", "background_rate", "quality", "e_min", "e_max")


def prepare(rows: pa.Table) -> Prepared:
    """Grid spectra.

    Parameters
    ----------
    rows : pyarrow.Table
        id, name, exposure_s, backscal, areascal, their background_ twins, hduclas2 and the lists counts, rate,
        stat_err, background_counts, background_rate, quality, e_min, e_max: see `embed.inputs.modalities`.

    Returns
    -------
    Prepared
        Arrays `values` (n, 400) float32, `mask` (n, 400) bool, `noise` (n, 400) float32: see
        `embed.inputs.spectrum_grid.GriddedSpectrum`. A spectrum without background is kept as it is; one without
        channel energies gets ACIS's nominal ones where it has 1024 channels.
    """
    lists = {name: ragged(rows[name]) for name in _LISTS}
    exposure = numbers(rows["exposure_s"]) * np.nan_to_num(numbers(rows["areascal"], 1.0), nan=1.0)
    scale = background_scale(rows)
    n = rows.num_rows
    values, noise = np.zeros((n, N_POINTS), np.float32), np.zeros((n, N_POINTS), np.float32)
    mask, kept = np.zeros((n, N_POINTS), np.bool_), np.zeros(n, np.bool_)
    reasons: dict[int, str] = {}
    groups: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for i in range(n):
        edges = channel_energies(lists, i)
        if isinstance(edges, str):
            reasons[i] = edges
        elif not exposure[i] > 0:
            reasons[i] = "the spectrum has no exposure time"
        else:
            groups[edges[0].tobytes(), edges[1].tobytes()].append(i)
    for (low, high), members in groups.items():
        spectra = _stacked(lists, members, exposure, scale)
        gridded = grid(spectra, np.frombuffer(low), np.frombuffer(high))
        values[members], noise[members], mask[members] = gridded.values, gridded.noise, gridded.mask
        kept[members] = gridded.mask.any(axis=1)
        reasons |= {i: "no good channel between 0.5 and 8 keV" for i in members if not kept[i]}
    ids, names = ids_and_names(rows, kept)
    all_ids = rows["id"].to_pylist() if reasons else []
    return Prepared(
        ids,
        names,
        {"values": values[kept], "mask": mask[kept], "noise": noise[kept]},
        {all_ids[i]: why for i, why in sorted(reasons.items())},
    )


def background_scale(rows: pa.Table) -> Floats:
    """Return what a background count stands for in the source region, shape (n,); 0 where it cannot be told.

    Source: OGIP memo 92-007: source and background are compared per EXPOSURE x AREASCAL x BACKSCAL.
    """
    ratio = np.ones(rows.num_rows)
    for name, unit in (("exposure_s", np.nan), ("backscal", np.nan), ("areascal", 1.0)):
        own, other = numbers(rows[name], unit), numbers(rows[f"background_{name}"], unit)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio *= own / other
    already = np.asarray([kind == "NET" for kind in rows["hduclas2"].to_pylist()], np.bool_)
    return np.where(np.isfinite(ratio) & (ratio > 0) & ~already, ratio, 0.0)


def channel_energies(lists: dict[str, Ragged], i: int) -> tuple[Floats, Floats] | str:
    """Return the channels' energies of a row, each of shape (n_channel,), or the reason why there are none."""
    n_channel = len(lists["counts"][i]) or len(lists["rate"][i])
    if not n_channel:
        return "the spectrum has neither counts nor rates"
    e_min, e_max = lists["e_min"][i], lists["e_max"][i]
    if len(e_min) == n_channel == len(e_max):
        return e_min, e_max
    if len(e_min):
        return f"the response has {len(e_min)} channels, the spectrum {n_channel}: it belongs to another spectrum"
    if n_channel == ACIS_CHANNELS:
        return nominal_acis_edges()
    return f"no response matrix tells the energies of its {n_channel} channels; ingest the RMF"


def _stacked(lists: dict[str, Ragged], members: list[int], exposure: Floats, scale: Floats) -> ChannelSpectra:
    shape = (len(members), len(lists["counts"][members[0]]) or len(lists["rate"][members[0]]))
    counts, background = np.empty(shape), np.zeros(shape)
    errors: dict[int, Floats] = {}
    scales = scale[members]
    for j, i in enumerate(members):
        unit = 1.0 if len(lists["counts"][i]) == shape[1] else exposure[i]
        counts[j] = (lists["counts"][i] if unit == 1.0 else lists["rate"][i]) * unit
        if len(error := lists["stat_err"][i]) == shape[1]:
            errors[j] = np.nan_to_num(error) * unit
        if len(lists["background_counts"][i]) == shape[1]:
            background[j] = np.nan_to_num(lists["background_counts"][i])
        else:
            scales[j] = 0.0
        if len(quality := lists["quality"][i]) == shape[1]:
            counts[j, np.isin(quality, BAD_QUALITY)] = np.nan
    variance: Floats | None = None
    if errors:
        variance = np.maximum(np.nan_to_num(counts), 0.0) + 1.0
        for j, error in errors.items():
            variance[j] = error**2
    return ChannelSpectra(counts, background, exposure[members], scales, variance)
