"""Objects worth a look: spectrum, light curve, papers and reasons of each; and spectra as an encoder keeps them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from analysis.figures import as_svg, figure
from analysis.report.page import Cell, Figure, Section, Shown
from analysis.report.store import simulated
from catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.objects.light_curve import LightCurve
from catalog.objects.spectrum import Spectrum
from catalog.palette import CLASS_COLOURS, LINE_COLOUR
from catalog.store import lake
from catalog.store.vectors import weights_file
from embed import registry
from embed.inputs.modalities import INPUTS
from embed.inputs.prepared import Prepared
from embed.inputs.spectra import EDGES_KEV
from embed.store.reconstruction import Reconstructs


def portrait(cat: Catalog, detection_id: str, title: str, about: str) -> Section:
    """Draw what the store has of a detection.

    Parameters
    ----------
    cat : Catalog
    detection_id : str
    title : str
    about : str
        Why it is shown.
    """
    detection = cat.detection(detection_id)
    figures = [*_drawn(detection.spectrum), *_drawn(detection.light_curve)]
    papers = detection.papers().rows.slice(0, 5).to_pylist()
    rows: list[Sequence[Cell]] = [(p["bibcode"], p["year"], p["title"] or "", ", ".join(p["methods"])) for p in papers]
    tables = (Shown("Papers about the source", ("bibcode", "year", "title", "link"), rows),) if rows else ()
    return Section(title, about=about, figures=figures, tables=tables)


def _drawn(ask: Callable[[], Spectrum | LightCurve]) -> list[Figure]:
    """Draw what a detection has; nothing where it has none."""
    try:
        made = ask()
    except (UnknownName, QueryError):
        return []
    with figure(4.2, 2.6) as drawn:
        made.plot(drawn.add_subplot())
        return [Figure(made.caption, as_svg(drawn))]


_N = 6
_CANDIDATES = 2000
_MIDDLE_KEV = np.sqrt(EDGES_KEV[:-1] * EDGES_KEV[1:])


def reconstructions(cat: Catalog) -> Section | None:
    """Draw spectra from the brightest to the faintest that are still encoded, with their reconstruction."""
    row = cat.sql(
        "SELECT encoder_id, weights_sha256, dim, validation_error FROM meta.encoder "
        "WHERE space = 'spectrum' AND current"
    ).fetchall()
    if not row:
        return None
    encoder_id, weights, dim, error = row[0]
    encoder = registry.load(weights_file(cat.path, str(weights)))
    if not isinstance(encoder, Reconstructs) or encoder.modality != "spectrum":
        return None
    ids = _chosen(cat)
    if not ids:
        return None
    with contextlib.closing(lake.connect(cat.path)) as connection:
        connection.register("__chosen", pa.table({"id": pa.array(ids, pa.string())}))
        rows = lake.arrow(connection, INPUTS["spectrum"].query("__chosen"))
    prepared = INPUTS["spectrum"].prepare(rows)
    if not prepared.ids:
        return None
    order = sorted(range(len(prepared.ids)), key=lambda i: ids.index(prepared.ids[i]))
    back = encoder.reconstruct(prepared.arrays)
    measured = (
        f"; its error on held-out sources: {error:.3f} (mean absolute, of spectra between 0 and 1)" if error else ""
    )
    return Section(
        "Spectra, and what the encoder keeps of them",
        about=f"{encoder_id} writes each spectrum as {dim} numbers. Points: the spectrum, net counts per keV between "
        f"its smallest (0) and largest (1) value; line: read back from those numbers{measured}. "
        "From many counts to few: a good encoder smooths noise away and keeps shape.",
        figures=(Figure("Spectra and reconstructions", _draw(prepared, back, order)),),
        commands=("python -m embed train spectrum --latent 8", "python -m embed compare spectrum"),
        source=f"encoder {encoder_id}, snapshot {cat.snapshots()[-1].number}",
        simulated=simulated(cat, "SELECT name FROM meta.embedded WHERE space = 'spectrum'"),
    )


def _chosen(cat: Catalog) -> list[str]:
    """Return detections with vectors, evenly spread in counts, brightest first."""
    found = cat.sql(
        "SELECT e.id FROM meta.embedded AS e LEFT JOIN csc.observation_source AS o ON o.detection_id = e.id "
        "WHERE e.space = 'spectrum' AND e.skipped IS NULL "
        f"ORDER BY coalesce(o.src_cnts_aper_b, 0) DESC, e.id LIMIT {_CANDIDATES}"
    ).fetchall()
    if not found:
        return []
    places = np.unique(np.geomspace(1, len(found), _N).round().astype(int)) - 1
    return [str(found[i][0]) for i in places]


def _draw(prepared: Prepared, back: np.ndarray, order: list[int]) -> bytes:
    values, mask = np.asarray(prepared.arrays["values"]), np.asarray(prepared.arrays["mask"])
    with figure(7.5, 4.4) as drawn:
        axes = drawn.subplots(2, 3, sharex=True, sharey=True).ravel()
        for one, i in zip(axes, order, strict=False):
            there = mask[i]
            one.plot(_MIDDLE_KEV[there], values[i][there], ".", markersize=1.6, color=LINE_COLOUR)
            one.plot(_MIDDLE_KEV[there], back[i][there], color=CLASS_COLOURS[3], linewidth=1.3)
            one.set_title(f"{prepared.names[i] or prepared.ids[i]}", fontsize=7)
            one.set_xscale("log")
            one.set_xticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
            one.set_xticks([], minor=True)
            one.set_ylim(-0.08, 1.08)
        for one in axes[len(order) :]:
            one.set_visible(False)
        drawn.supxlabel("energy [keV]", fontsize=9)
        drawn.supylabel("net counts per keV, scaled", fontsize=9)
        return as_svg(drawn)
