"""What authorities say of sources, and which label follows in a task: eight classes, AGN against compact, any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.statistics import codes
from catalog import Catalog
from catalog.errors import QueryError, UnknownName, suggestion
from catalog.schema.columns import literal
from sql.class_map import classes, tasks, terms

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What is told apart.

    Attributes
    ----------
    name : str
    label_of : mapping of str to str
        Class or object type, in upper case -> label; what is not there is left out.
    """

    name: str
    label_of: Mapping[str, str]

    def label(self, class_: str | None, otype: str | None) -> str | None:
        """Return the label of a source; an object type decides before its class.

        Examples
        --------
        >>> task("agn").label("HMXB", "HMXB"), task("agn").label("YSO", "TTau*")
        ('compact', None)
        """
        return self.label_of.get((otype or "").upper()) or self.label_of.get((class_ or "").upper())


def task(name: str) -> Task:
    """Return a task of sql/classes/task.csv.

    Raises
    ------
    UnknownName
        If there is none of the name.
    """
    known = tasks()
    if name not in known:
        raise UnknownName(
            f"there is no task {name!r}{suggestion(name, known)}; there are {', '.join(known)}; or give your own: "
            "--grouping 'young=YSO,old=LM-STAR+HM-STAR'"
        )
    return Task(name, {class_.upper(): label for class_, label in known[name].items()})


def grouping(text: str) -> Task:
    """Make a task of 'label=member+member,label=member'; a member is a class or an object type.

    Raises
    ------
    QueryError
        If it is not of that form, has one label only, or one member twice.
    UnknownName
        If a member is neither a class nor an object type.

    Examples
    --------
    >>> grouping("young=YSO,old=LM-STAR+HM-STAR").label("HM-STAR", "Be*")
    'old'
    """
    known = {*classes(), *(term for _, term, _ in terms())}
    folded = {k.upper() for k in known}
    label_of: dict[str, str] = {}
    for part in text.split(","):
        label, equals, members = part.partition("=")
        if not equals or not label.strip() or not members.strip():
            raise QueryError(f"--grouping {text!r}: expected LABEL=CLASS+CLASS,LABEL=CLASS, found {part!r}")
        for member in (m.strip() for m in members.split("+")):
            if member.upper() not in folded:
                hint = suggestion(member, known)
                raise UnknownName(f"--grouping: {member!r} is no class or object type{hint}; see analysis.class_map")
            if member.upper() in label_of:
                raise QueryError(f"--grouping {text!r}: {member} stands in it twice")
            label_of[member.upper()] = label.strip()
    if len(set(label_of.values())) < 2:  # noqa: PLR2004 - one label alone tells nothing apart
        raise QueryError(f"--grouping {text!r}: at least two labels are needed to tell apart")
    return Task(text, label_of)


@dataclass(frozen=True)
class Labels:
    """Labels of rows in a task.

    Attributes
    ----------
    task : str
    names : tuple of str
        The labels, in the order of the alphabet.
    code : ndarray of int, shape (n,)
        Number of each row's label; -1 without one.
    left_out : tuple of str
        Labels of too few sources to be scored, with their number: 'CV (2)'.
    """

    task: str
    names: tuple[str, ...]
    code: Integers
    left_out: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many labels."""
        return len(self.names)


def labels(
    chosen: Task,
    class_: Sequence[str | None],
    otype: Sequence[str | None],
    sources: npt.NDArray[np.generic],
    min_sources: int = 10,
) -> Labels:
    """Label rows; a label of fewer than `min_sources` sources is left out, and said.

    Parameters
    ----------
    chosen : Task
    class_, otype : sequence of (str or None), length n
        Of the source of each row.
    sources : ndarray of str, shape (n,)
    min_sources : int

    Examples
    --------
    >>> found = labels(task("agn"), ["AGN", "CV", "NS"], ["QSO", "CV*", "Psr"], np.array(["a", "b", "c"]), 2)
    >>> found.names, found.code.tolist(), found.left_out
    (('compact',), [-1, 0, 0], ('AGN (1)',))
    """
    given = [chosen.label(c, o) for c, o in zip(class_, otype, strict=True)]
    source = codes(sources) if given else np.empty(0, np.int64)
    n_sources = {
        name: len({s for s, g in zip(source.tolist(), given, strict=True) if g == name})
        for name in sorted({g for g in given if g is not None})
    }
    kept = tuple(name for name, n in n_sources.items() if n >= min_sources)
    number = {name: i for i, name in enumerate(kept)}
    code = np.array([number.get(g, -1) if g is not None else -1 for g in given], np.int64)
    return Labels(chosen.name, kept, code, tuple(f"{name} ({n})" for name, n in n_sources.items() if name not in kept))


@dataclass(frozen=True)
class Said:
    """What authorities say of the source of each row.

    Attributes
    ----------
    class_, otype : list of (str or None), length n
        By the first of the authorities that has a class for it.
    n_conflicting, n_predicted : int
        Sources whose statements contradict one another; whose class a model predicted.
    """

    class_: list[str | None]
    otype: list[str | None]
    n_conflicting: int
    n_predicted: int


def read_classes(
    cat: Catalog,
    sources: npt.NDArray[np.object_],
    snapshot: int,
    authorities: Sequence[str],
    *,
    predicted: bool = False,
    candidates: bool = False,
) -> Said:
    """Read the class of the source of each row.

    Parameters
    ----------
    cat : Catalog
    sources : ndarray of str objects, shape (n,)
    snapshot : int
    authorities : sequence of str
        In order: the first that has a class for a source is believed.
    predicted, candidates : bool
        Take predictions of models, and candidates, for truth.

    Raises
    ------
    UnknownName
        If an authority says nothing in this store.
    """
    known = [
        str(r[0])
        for r in cat.sql(
            "SELECT DISTINCT authority FROM analysis.authority_class ORDER BY authority", snapshot=snapshot
        )
    ]
    for authority in authorities:
        if authority not in known:
            there = ", ".join(known) or "none: the store holds no table of types"
            raise UnknownName(f"no authority {authority!r}{suggestion(authority, known)}; there are {there}")
    order = " ".join(f"WHEN {literal(a)} THEN {i}" for i, a in enumerate(authorities))
    listed = ", ".join(literal(a) for a in authorities)
    rows = cat.sql(
        f"""
        SELECT name, class, otype, conflicting, predicted FROM analysis.authority_class
        WHERE authority IN ({listed}) AND class IS NOT NULL AND (NOT predicted OR {predicted})
          AND (NOT candidate OR {candidates})
        QUALIFY row_number() OVER (PARTITION BY name ORDER BY CASE authority {order} END) = 1""",
        snapshot=snapshot,
    ).fetchall()
    said = {str(r[0]): r[1:] for r in rows}
    found = [said.get(s) for s in sources.tolist()]
    told = {s for s in sources.tolist() if s in said}
    conflicts = {str(r[0]) for r in cat.sql("SELECT name FROM analysis.class_conflict", snapshot=snapshot).fetchall()}
    return Said(
        [None if f is None else str(f[0]) for f in found],
        [None if f is None or f[1] is None else str(f[1]) for f in found],
        len(told & conflicts),
        sum(bool(said[s][3]) for s in told),
    )
