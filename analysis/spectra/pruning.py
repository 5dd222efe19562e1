"""Formulas without their idle parts: what can go at no cost goes, and the numbers that stay are fitted again.

A search leaves idle parts behind: a column that has nothing to do with the target, a term of 1e-7, a number too many.
Which ones depends on the seed and on the processor. What is left after pruning depends on them much less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import sympy
from scipy.optimize import least_squares

from analysis.spectra.formulas import Formula, compiled, nodes, parsed, simplified

Floats = npt.NDArray[np.float64]
AsGood = Callable[[Floats], bool]
_UNDEFINED = (sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)
_FAR = 1e6
_MOST_CALLS = 15  # of a fit: the numbers start near their best


def pruned(formula: Formula, x: Floats, y: Floats, names: Sequence[str], other: Floats, as_good: AsGood) -> Formula:
    """Take out of a formula what it does not need.

    Each step tries to put a number in the place of each part of the formula (an input is a part), and fits all numbers
    again. The simplest formula that is still as good is kept. It ends when no part can go.

    Parameters
    ----------
    formula : Formula
    x : ndarray of float, shape (n, n_input)
    y : ndarray of float, shape (n,)
        The rows that numbers are fitted to.
    names : sequence of str
        Of the inputs.
    other : ndarray of float, shape (m, n_input)
        Rows that nothing is fitted to.
    as_good : callable
        Whether a simpler formula may take the place of `formula`, by what it gives for `other`, shape (m,), NaN where
        it is not defined.

    Returns
    -------
    Formula

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(1, 2, (50, 2))
    >>> y = 3 * x[:, 0]
    >>> found = simplified("2.9 * s + 0.01 * h", ["s", "h"])
    >>> pruned(found, x, y, ["s", "h"], x, lambda values: bool(np.abs(values - y).max() < 0.01)).text
    '3*s'
    """
    while (simpler := next(_simpler(formula, x, y, names, other, as_good), None)) is not None:
        formula = simpler
    return formula


def _simpler(
    formula: Formula, x: Floats, y: Floats, names: Sequence[str], other: Floats, as_good: AsGood
) -> Iterator[Formula]:
    """Yield formulas with one part less that are as good, the simplest first."""
    expression = parsed(formula.text, formula.inputs)
    cuts = {expression.xreplace(cut) for cut in _cuts(expression, x, names)}
    smaller = [e for e in cuts if nodes(e) < formula.complexity and not e.has(*_UNDEFINED)]
    for cut in sorted(smaller, key=lambda e: (nodes(e), str(e))):
        fitted, values = _fitted(cut, x, y, names, other)
        if as_good(values):  # to simplify takes longer than all else, so only what is good is simplified
            simpler = simplified(str(fitted), formula.inputs)
            if simpler.complexity < formula.complexity and as_good(simpler(other, names)):  # it was rounded
                yield simpler


def _cuts(expression: sympy.Expr, x: Floats, names: Sequence[str]) -> Iterator[dict[sympy.Expr, sympy.Expr]]:
    """Yield what may stand for each part: its mean; 0 and 1 for a number, so that it is no longer there."""
    parts = sorted(set(sympy.preorder_traversal(expression)), key=str)
    for number in (p for p in parts if isinstance(p, sympy.Float)):
        yield from ({number: sympy.Integer(0)}, {number: sympy.Integer(1)})
    varied = [p for p in parts if p.free_symbols]
    for part, values in zip(varied, compiled(varied, names)(x), strict=True):
        if np.isfinite(values).any():
            yield {part: sympy.Float(float(np.nanmean(values)))}


def _fitted(
    expression: sympy.Expr, x: Floats, y: Floats, names: Sequence[str], other: Floats
) -> tuple[sympy.Expr, Floats]:
    """Fit decimal numbers by least squares (whole ones stay); return the expression and its values for `other`."""
    numbers = sorted(expression.atoms(sympy.Float))
    places = [sympy.Dummy(real=True) for _ in numbers]
    form = expression.xreplace(dict(zip(numbers, places, strict=True)))
    function = compiled([form], names, places)
    start = np.array([float(n) for n in numbers])
    away = y - y.mean()
    far = _FAR * max(float(np.abs(away).max()), 1e-300)

    def residual(numbers: Floats) -> Floats:
        out = function(x, numbers)[0] - y
        return np.clip(np.where(np.isfinite(out), out, away), -far, far)  # squares stay finite

    best = start
    if 0 < len(start) <= len(y):
        best = least_squares(residual, start, x_scale="jac", max_nfev=_MOST_CALLS).x
    fitted = form.xreplace({p: sympy.Float(float(v)) for p, v in zip(places, best, strict=True)})
    return fitted, function(other, best)[0]
