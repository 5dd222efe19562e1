"""Objects worth a look: spectrum, light curve, papers and reasons of each, as a part of a section."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.figures import as_svg, figure
from analysis.report.page import Cell, Figure, Section, Shown
from catalog.serve.answers import Answers

_INK = "#0b6e99"


def portrait(store: Path, detection_id: str, title: str, about: str) -> Section:
    """Draw what the store has of a detection.

    Parameters
    ----------
    store : Path
    detection_id : str
    title : str
    about : str
        Why it is shown.
    """
    answers = Answers(store)
    figures = []
    if drawn := _spectrum(answers.spectrum(detection_id)):
        figures.append(Figure(f"Spectrum of {detection_id}: net count rate", drawn))
    curve = answers.light_curve(detection_id)
    if drawn := _light_curve(curve):
        figures.append(Figure(f"Light curve of {detection_id}, bins of {curve['bin_s']} s", drawn))
    papers = answers.detection(detection_id)["papers"]
    rows: list[Sequence[Cell]] = []
    if isinstance(papers, list):
        rows = [(str(p["bibcode"]), p["year"], str(p["title"] or ""), str(p.get("method") or "")) for p in papers[:5]]
    tables = (Shown("Papers about the source", ("bibcode", "year", "title", "link"), rows),) if rows else ()
    return Section(title, about=about, figures=figures, tables=tables)


def _spectrum(found: dict[str, object]) -> bytes:
    if not found:
        return b""
    edges, rate, error = (np.asarray(found[k], np.float64) for k in ("edges_kev", "rate", "error"))
    with figure(4.2, 2.6) as drawn:
        axes = drawn.add_subplot()
        axes.errorbar(np.sqrt(edges[:-1] * edges[1:]), rate, error, fmt=".", color=_INK, markersize=4, linewidth=0.8)
        axes.axhline(0, color="#c3cad1", linewidth=0.6)
        axes.set(xscale="log", xlabel="energy [keV]", ylabel="count/s/keV")
        axes.set_xticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
        axes.set_xticks([], minor=True)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
        return as_svg(drawn)


def _light_curve(found: dict[str, object]) -> bytes:
    if not found.get("rate"):
        return b""
    start, stop, rate, low, high = (
        np.asarray(found[k], np.float64) for k in ("start_s", "stop_s", "rate", "rate_lolim", "rate_hilim")
    )
    known = np.isfinite(rate)
    if not known.any():
        return b""
    time_ks = ((start + stop) / 2 - start[0]) / 1e3
    error = np.clip([(rate - low)[known], (high - rate)[known]], 0, None)
    with figure(4.2, 2.6) as drawn:
        axes = drawn.add_subplot()
        axes.errorbar(time_ks[known], rate[known], error, fmt=".", color=_INK, markersize=4, linewidth=0.8)
        axes.set(xlabel="time since start [ks]", ylabel="count/s", ylim=(0, None))
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
        return as_svg(drawn)
