"""From a question on formulas to its run: what is read, what is asked of it, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.spectra.associations import Association, associations
from analysis.spectra.explained_columns import PHYSICAL, Inputs, inputs
from analysis.spectra.explanations import Explained, explain
from analysis.spectra.formula_figures import association_figure, pareto_figure
from analysis.spectra.formulas import LENGTHS
from analysis.statistics import codes
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Record, Run, once
from analysis.study.samples import Rows, read
from catalog import Catalog
from catalog.errors import QueryError, command

Floats = npt.NDArray[np.float64]
_LEAST_ROWS = 60
_MANY_DIMENSIONS = 32


@dataclass(frozen=True)
class FormulaQuestion(Asked):
    """What `python -m analysis symbolic` is asked.

    Attributes
    ----------
    space : str
    columns : tuple of str
        Columns of csc.observation_source.
    where : str
        SQL condition on it.
    lengths : tuple of int
        Greatest lengths of formulas: a search for each.
    reverse : bool
        Columns from latents too.
    """

    kind = "symbolic"

    space: str
    columns: tuple[str, ...] = PHYSICAL
    where: str = ""
    lengths: tuple[int, ...] = LENGTHS
    reverse: bool = True


def run(cat: Catalog, asked: FormulaQuestion, ways: Ways) -> Run:
    """Explain the dimensions of a space by formulas, or find the run that did.

    Raises
    ------
    UnknownName
        If the space or a column does not exist.
    QueryError
        If too few detections have what is needed, or the space has too many dimensions for formulas.
    """
    rows = read(cat, asked.space, asked.columns, asked.where)
    if rows.n and rows.vectors.shape[1] > _MANY_DIMENSIONS:
        raise QueryError(
            f"{asked.space} has {rows.vectors.shape[1]} dimensions; formulas of more than {_MANY_DIMENSIONS} are no "
            f"explanation: train a smaller one: {command(f'embed train {asked.space} --latent 8', cat.path)}"
        )
    made = inputs(rows.columns, asked.columns)
    if made.complete.sum() < _LEAST_ROWS:
        raise QueryError(
            f"{int(made.complete.sum())} detections of {asked.space} have all of {', '.join(made.names)}; "
            f"at least {_LEAST_ROWS} are needed: name fewer with --columns"
        )
    evidence = Evidence(rows.snapshot, rows.sha256, rows.sources)
    return once(ways.question(cat, asked), evidence, lambda: _answer(rows, made, asked, ways))


def _answer(rows: Rows, made: Inputs, asked: FormulaQuestion, ways: Ways) -> Answer:
    ways.say(f"{int(made.complete.sum()):,} of {rows.n:,} detections have all of {', '.join(made.names)}")
    if made.left_out:
        ways.say(f"left out, as too few detections have them: {', '.join(made.left_out)}")
    kept = made.complete
    z = np.asarray(rows.vectors[kept], np.float64)
    x, sources = made.values[kept], rows.sources[kept]
    latents = [f"z{i}" for i in range(z.shape[1])]
    ways.say(f"associations of {len(latents)} dimensions and {len(made.names)} columns")
    pairs = associations(rows.vectors, made.values, made.names, rows.sources, ways.seed)
    forward = _explained(latents, z, x, made.names, sources, asked, ways)
    shown = {"pareto_latents.png": pareto_figure(forward, f"{asked.space}: latent dimensions from columns")}
    records = [r for e in forward for r in _rows(e, "latent from columns", made, sources, asked)]
    if asked.reverse:
        backward = _explained(made.names, x, z, latents, sources, asked, ways)
        records += [r for e in backward for r in _rows(e, "column from latents", made, sources, asked)]
        shown["pareto_columns.png"] = pareto_figure(backward, f"{asked.space}: columns from latent dimensions")
    shown["association.png"] = association_figure(pairs, f"{asked.space}: latent dimensions and columns")
    tables = {"analysis.formula": records, "analysis.association": [_pair(p, asked.space) for p in pairs]}
    return Answer(tables, shown)


def _explained(
    targets: Sequence[str],
    y: Floats,
    x: Floats,
    names: Sequence[str],
    sources: npt.NDArray[np.generic],
    asked: FormulaQuestion,
    ways: Ways,
) -> list[Explained]:
    found = []
    for i, target in enumerate(targets):
        found.append(explain(target, y[:, i], x, names, sources, ways.seed, asked.lengths))
        best = found[-1].chosen
        verdict = "found" if best.found else "not found"
        ways.say(
            f"{target}: {verdict}, R2 {best.r2.value:.2f} (linear {found[-1].linear.value:.2f}): {best.formula.text}"
        )
    return found


def _rows(
    explained: Explained, direction: str, made: Inputs, sources: npt.NDArray[np.generic], asked: FormulaQuestion
) -> list[Record]:
    """Return one row per formula; of equal complexity, which the key does not allow, the best stays."""
    best = {s.formula.complexity: s for s in explained.front}
    target = explained.target if direction.startswith("latent") else made.units_of([explained.target])
    return [
        {
            "space": asked.space,
            "direction": direction,
            "target": target,
            "complexity": s.formula.complexity,
            "formula": s.formula.text,
            "units": made.units_of(s.formula.inputs) or None,
            "r2_fitted": s.r2_fitted,
            **s.r2.columns("r2"),
            **explained.linear.columns("linear_r2"),
            **s.gain.columns("gain"),
            "control_mean": explained.control_mean,
            "control_high": explained.control_high,
            "chosen": s.chosen,
            "found": s.found,
            "n_rows": len(sources),
            "n_sources": int(codes(sources).max()) + 1,
        }
        for s in best.values()
    ]


def _pair(a: Association, space: str) -> Record:
    return {
        "space": space,
        "dimension": a.dimension,
        "column_name": a.column,
        **a.spearman.columns("spearman"),
        "spearman_p": a.spearman_p,
        "spearman_q": a.spearman_q,
        "mutual_information": a.mutual_information,
        "mutual_information_p": a.mutual_information_p,
        "mutual_information_q": a.mutual_information_q,
        "n_rows": a.n_rows,
    }
