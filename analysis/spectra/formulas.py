"""Formulas of one number from others: found by genetic programming, made readable, pruned, and scored as they are read.

What is scored is the rounded, simplified formula that a reader sees, not the model that it was made from. A search
leaves idle parts behind: a column that has nothing to do with the target, a term of 1e-7, a number too many. Which ones
depends on the seed and on the processor. What is left after pruning depends on them much less.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy
from pyoperon.sklearn import SymbolicRegressor
from scipy.optimize import least_squares

Floats = npt.NDArray[np.float64]

SYMBOLS = "add,sub,mul,div,log,exp,sqrt,square,constant,variable"
LENGTHS = (5, 9, 15, 25)
EVALUATIONS = 50_000
POPULATION = 300
DIGITS = 3
_FORMS = (sympy.factor_terms, sympy.powsimp, sympy.together, sympy.expand)
_LONGEST_TO_REWRITE = 120


@dataclass(frozen=True)
class Formula:
    """A formula.

    Attributes
    ----------
    text : str
        Rounded to 3 digits, and simplified.
    inputs : tuple of str
        Those of the inputs that it names.
    complexity : int
        Nodes of its tree.
    """

    text: str
    inputs: tuple[str, ...]
    complexity: int

    def __call__(self, values: Floats, names: Sequence[str]) -> Floats:
        """Evaluate it.

        Parameters
        ----------
        values : ndarray of float, shape (n, n_input)
        names : sequence of str
            Of the columns of `values`.

        Returns
        -------
        ndarray of float, shape (n,)
            NaN where it is not defined.
        """
        return compiled([parsed(self.text, self.inputs)], names)(values)[0]


@functools.lru_cache(1000)
def parsed(text: str, inputs: tuple[str, ...]) -> sympy.Expr:
    """Return the text of a `Formula` as an expression."""
    return sympy.sympify(text, locals={name: sympy.Symbol(name, real=True) for name in inputs})


def compiled(
    expressions: Sequence[sympy.Expr], names: Sequence[str], numbers: Sequence[sympy.Symbol] = ()
) -> Callable[..., list[Floats]]:
    """Make a function of rows of inputs, shape (n, n_input), and of the values of `numbers`, if there are any.

    It returns for each expression its values, shape (n,), NaN where it is not defined.
    """
    used = set[sympy.Symbol]().union(*(e.free_symbols for e in expressions))
    symbols = {i: s for i, name in enumerate(names) if (s := sympy.Symbol(name, real=True)) in used}
    function = sympy.lambdify([*symbols.values(), *numbers], list(expressions), "numpy")

    def call(rows: Floats, values: Sequence[float] | Floats = ()) -> list[Floats]:
        with np.errstate(all="ignore"):
            found = function(*(rows[:, i] for i in symbols), *values)
            out = [np.array(np.broadcast_to(np.real(f), len(rows)), np.float64) for f in found]
        for column in out:
            column[~np.isfinite(column)] = np.nan
        return out

    return call


def simplified(text: str, names: Sequence[str]) -> Formula:
    """Round the numbers of a formula and bring it into the shortest of a few forms.

    Parameters
    ----------
    text : str
        As operon writes it: infix, with `log`, `exp`, `sqrt`, `square`.
    names : sequence of str
        Inputs that may stand in it.

    Examples
    --------
    >>> simplified("(0.0 + (2.00001 * ((1.5 * s) / (3.0 * h))))", ["s", "h"]).text
    's/h'
    """
    symbols = {name: sympy.Symbol(name, real=True) for name in names}
    known = {**symbols, "square": lambda x: x**2, "log": sympy.log, "exp": sympy.exp, "sqrt": sympy.sqrt}
    expression = _rounded(sympy.sympify(text, locals=known))
    forms = [expression]
    if len(str(expression)) <= _LONGEST_TO_REWRITE:  # longer ones take seconds, and do not become readable
        forms += [_rounded(form(expression)) for form in _FORMS]
    # An input of a value that cannot be (a root of a negative constant) makes a formula complex: leave it as it was.
    best = min((f for f in forms if not f.has(sympy.I, sympy.zoo, sympy.nan)), key=_size, default=expression)
    used = {str(s) for s in best.free_symbols}
    return Formula(str(best), tuple(n for n in names if n in used), nodes(best))


def fitted(
    x: Floats, y: Floats, names: Sequence[str], lengths: Sequence[int] = LENGTHS, seed: int = 0
) -> list[Formula]:
    """Find formulas of growing length for a target.

    Parameters
    ----------
    x : ndarray of float, shape (n, n_input)
    y : ndarray of float, shape (n,)
    names : sequence of str
        Of the inputs.
    lengths : sequence of int
        Greatest lengths of the model; a search is made for each.
    seed : int
        The search is single-threaded: the same seed finds the same formula.

    Returns
    -------
    list of Formula
        The shortest first; none twice.
    """
    # Names that sympy would take for something of its own (S, E, N, pi) do not reach it.
    plain = [f"x_{i}" for i in range(len(names))]
    found: dict[str, Formula] = {}
    for length in lengths:
        # Objective r2 alone: with length as a second one operon loses planted formulas.
        search = SymbolicRegressor(
            allowed_symbols=SYMBOLS,
            objectives=["r2"],
            max_length=length,
            population_size=POPULATION,
            generations=1000,
            max_evaluations=EVALUATIONS,
            optimizer_iterations=5,
            n_threads=1,
            random_state=seed,
            epsilon=1e-5,
        )
        search.fit(np.ascontiguousarray(x), np.ascontiguousarray(y))
        formula = simplified(search.get_model_string(search.model_, precision=8, names=plain), plain)
        found.setdefault(formula.text, formula)
    return [_named(f, plain, names) for f in sorted(found.values(), key=lambda f: (f.complexity, f.text))]


def pareto(formulas: Sequence[Formula], scores: Sequence[float]) -> list[int]:
    """Return which formulas no shorter one beats, in the order given.

    Examples
    --------
    >>> f = [Formula("a", (), 1), Formula("b", (), 3), Formula("c", (), 5)]
    >>> pareto(f, [0.5, 0.4, 0.9])
    [0, 2]
    """
    kept = []
    best = -np.inf
    for i in sorted(range(len(formulas)), key=lambda i: (formulas[i].complexity, -scores[i])):
        if scores[i] > best:
            best = scores[i]
            kept.append(i)
    return sorted(kept)


def _named(formula: Formula, plain: Sequence[str], names: Sequence[str]) -> Formula:
    symbols = {p: sympy.Symbol(p, real=True) for p in plain}
    expression = sympy.sympify(formula.text, locals=symbols)
    renamed = expression.xreplace({symbols[p]: sympy.Symbol(n, real=True) for p, n in zip(plain, names, strict=True)})
    inputs = tuple(n for p, n in zip(plain, names, strict=True) if p in formula.inputs)
    return Formula(str(renamed), inputs, formula.complexity)


def _rounded(expression: sympy.Expr) -> sympy.Expr:
    for _ in range(3):  # rounded numbers that meet make a new one to round
        before = expression
        numbers = {n: sympy.Float(f"{float(n):.{DIGITS}g}") for n in expression.atoms(sympy.Float)}
        whole = {n: sympy.Integer(int(v)) if float(v).is_integer() else v for n, v in numbers.items()}
        expression = expression.xreplace(whole)
        if expression == before:
            break
    return expression


def _size(expression: sympy.Expr) -> tuple[int, int]:
    return nodes(expression), len(str(expression))


def nodes(expression: sympy.Expr) -> int:
    """Return the number of nodes of an expression's tree."""
    return sum(1 for _ in sympy.preorder_traversal(expression))


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
