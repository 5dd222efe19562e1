"""Formulas of one number from others: found by genetic programming, made readable, and scored as they are read.

What is scored is the rounded, simplified formula that a reader sees, not the model that it was made from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy
from pyoperon.sklearn import SymbolicRegressor

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
