"""The report's first sections: what the store holds, where its sources lie, and the maps of its spaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.figures import as_png, figure, scatter
from analysis.report.page import Cell, Figure, Section, Shown
from catalog import Catalog
from catalog.objects.space_map import SHOWN, projected
from catalog.palette import OTHER_COLOUR

Floats = npt.NDArray[np.float64]
_N_CLASSES = 8
_COUNTED = (
    *("csc.master_source", "csc.observation_source", "csc.classification", "product.event_stored", "product.spectrum"),
    *("product.light_curve", "lit.paper", "lit.paper_source"),
)


def simulated(cat: Catalog, names: str = "SELECT name FROM csc.master_source") -> str:
    """Say how much of something is simulated; '' where nothing is.

    Parameters
    ----------
    cat : Catalog
    names : str
        SQL of the sources in question.
    """
    ((n, known),) = cat.sql(
        f"SELECT count(*), count(*) FILTER (name IN (SELECT name FROM simulated.truth)) FROM (SELECT DISTINCT name "
        f"FROM ({names}) WHERE name IS NOT NULL)"
    ).fetchall()
    return label(int(str(known)), int(str(n)))


def label(n_simulated: int, n: int) -> str:
    """Spell the label of a section.

    Examples
    --------
    >>> label(0, 5), label(5, 5), label(2, 5)
    ('', 'simulated', '2 of 5 sources simulated')
    """
    if not n_simulated:
        return ""
    return "simulated" if n_simulated >= n else f"{n_simulated:,} of {n:,} sources simulated"


def holdings(cat: Catalog) -> Section:
    """Tell how much of everything there is."""
    rows: list[Sequence[Cell]] = [(i.name, i.n_rows, i.description) for i in cat.tables() if i.name in _COUNTED]
    query = "SELECT space, encoder_id, dim, n_vectors FROM meta.space ORDER BY space"
    spaces = [tuple(str(v) if isinstance(v, str) else int(str(v)) for v in r) for r in cat.sql(query).fetchall()]
    figures = [
        Figure("Sources on the sky, equatorial coordinates, Mollweide projection; colour: detections", _sky(cat))
    ]
    return Section(
        "What the store holds",
        figures=figures if figures[0].content else (),
        tables=(
            Shown("Rows", ("table", "rows", "what a row is"), rows),
            Shown("Embedding spaces", ("space", "encoder", "dimensions", "vectors"), spaces),
        ),
        commands=(f"python -m catalog info --store {cat.path.name}", f"python -m embed status --store {cat.path.name}"),
        source=f"snapshot {cat.snapshots()[-1].number}",
        simulated=simulated(cat),
    )


def _sky(cat: Catalog) -> bytes:
    found = cat.sql(
        "SELECT m.ra, m.dec, count(o.detection_id) AS n FROM csc.master_source AS m "
        "LEFT JOIN csc.observation_source AS o USING (name) WHERE m.ra IS NOT NULL AND m.dec IS NOT NULL GROUP BY ALL"
    ).arrow()
    if not found.num_rows:
        return b""
    ra, dec, n = (found[c].to_numpy().astype(np.float64) for c in ("ra", "dec", "n"))
    order = np.argsort(n, kind="stable")
    with figure(7.2, 3.9) as drawn:
        axes = drawn.add_subplot(projection="mollweide")
        # East is left on the sky.
        x = -np.deg2rad((ra[order] + 180.0) % 360.0 - 180.0)
        dots = axes.scatter(x, np.deg2rad(dec[order]), c=np.clip(n[order], 1, 10), s=6, vmin=1, vmax=10, linewidths=0)
        axes.set_xticks(np.deg2rad([-120, -60, 0, 60, 120]), ["8h", "4h", "0h", "20h", "16h"])
        axes.grid(color=OTHER_COLOUR, linewidth=0.5)
        drawn.colorbar(dots, ax=axes, label="detections (10: or more)", shrink=0.7)
        return as_png(drawn)


def maps(cat: Catalog) -> Section | None:
    """Draw each space along the two directions in which it differs most, coloured by class."""
    spaces = [str(s) for (s,) in cat.sql("SELECT space FROM meta.space ORDER BY space").fetchall()]
    classes = _classes(cat)
    figures = []
    for space in spaces:
        ids, vectors = cat.vectors(space)
        if len(ids) < 3 or space == "papers":  # noqa: PLR2004 - papers have no class
            continue
        found = [classes.get(str(i)) for i in ids]
        known = sum(c is not None for c in found)
        points = projected(vectors)
        n_out = int((np.abs(points) > SHOWN).any(axis=1).sum())
        caption = f"{space}: first two principal components of {len(ids):,} vectors; {known:,} of a known class"
        caption += f"; {n_out:,} lie outside of what is shown" if n_out else ""
        figures.append(Figure(caption, _map(points, found)))
    if not figures:
        return None
    return Section(
        "Maps of the spaces",
        about="Two directions show part of what a space tells apart, and distance in the map is not distance in the "
        "space. Classes are those of SIMBAD; grey has none.",
        figures=figures,
        commands=(f"python -m catalog browse --store {cat.path.name}",),
        source=f"snapshot {cat.snapshots()[-1].number}",
        simulated=simulated(cat),
    )


def _classes(cat: Catalog) -> dict[str, str]:
    query = (
        "SELECT o.detection_id, min(t.class) FROM csc.observation_source AS o "
        "JOIN analysis.authority_class AS t USING (name) WHERE t.authority = 'simbad' AND t.class IS NOT NULL "
        "GROUP BY o.detection_id HAVING count(DISTINCT t.class) = 1"
    )
    return {str(i): str(c) for i, c in cat.sql(query).fetchall()}


def _map(points: npt.NDArray[np.float32], classes: Sequence[str | None]) -> bytes:
    common = [c for c, _ in Counter(c for c in classes if c is not None).most_common(_N_CLASSES)]
    size = 10 if len(points) < 3000 else 4 if len(points) < 20000 else 1.5  # noqa: PLR2004 - as the eye wants it
    with figure(5.2, 4.2) as drawn:
        axes = drawn.add_subplot()
        scatter(axes, points, classes, common, size)
        view = {"xlim": (-SHOWN, SHOWN), "ylim": (-SHOWN, SHOWN)}
        axes.set(xticks=[], yticks=[], xlabel="component 1", ylabel="component 2", **view)
        if common:
            drawn.legend(loc="outside right upper", markerscale=1.6, fontsize=8)
        return as_png(drawn)
