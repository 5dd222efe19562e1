"""contingency(): classes against the clusters of one clustering as a matrix: a row per class, a column per cluster."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from analysis.spectra.contingency import MAPPINGS
from catalog.errors import QueryError, UnknownName, command, suggestion
from catalog.query.functions import TableFunction
from catalog.query.session import Session
from sql.objects import Described
from sql.rewrite import REQUIRED, Argument, Signature

_SIGNATURE = Signature(
    "contingency",
    (
        Argument("space", "text", REQUIRED, "Embedding space, or a baseline: analysis.chosen_clustering"),
        Argument("task", "text", "eight", "What is told apart: eight, nine, agn, or a grouping as it was given"),
        Argument("mapping", "text", "many-to-one", "How clusters stand for classes: many-to-one or one-to-one"),
        Argument("share", "boolean", False, "Shares of each class's rows, instead of their number"),
        Argument("rows_are", "text", "detections", "detections or sources"),
    ),
    1,
)
_COLUMNS = (Described("class", "Class; the columns beside it are the clusters", ucd="src.class"),)


def contingency(session: Session, arguments: Mapping[str, object]) -> pa.Table:
    """Answer one call of contingency().

    Parameters
    ----------
    session : Session
        The snapshot.
    arguments : mapping
        See the signature.

    Returns
    -------
    pyarrow.Table
        `class`, then a column per cluster of the chosen clustering: `cluster_0`, `cluster_1`, ... and `noise` where
        there is any; counts of the scored half, or shares of each class.

    Raises
    ------
    UnknownName
        If the space has no clustering, or none that was scored in the task; the message says what there is.
    QueryError
        If there is no such mapping.

    Examples
    --------
    >>> cat.sql("SELECT * FROM contingency('spectrum')").df().set_index("class")  # doctest: +SKIP
    """
    space, task, mapping, rows_are = (str(arguments[k]) for k in ("space", "task", "mapping", "rows_are"))
    if mapping not in MAPPINGS:
        raise QueryError(
            f"contingency: no mapping {mapping!r}{suggestion(mapping, MAPPINGS)}; there are {', '.join(MAPPINGS)}"
        )
    rows = session.rows(
        "SELECT features, rows_are, task, class, cluster, n_rows, share FROM analysis.chosen_contingency "
        "WHERE mapping = $mapping ORDER BY class, cluster",
        {"mapping": mapping},
    ).to_pylist()
    asked = {"features": space, "rows_are": rows_are, "task": task}
    for what, wanted in asked.items():
        there = list(dict.fromkeys(str(r[what]) for r in rows))
        rows = [r for r in rows if r[what] == wanted]
        if not rows:
            known = f"; there are {', '.join(there)}" if there else ""
            which = f"--space {space}" + (f" --tasks {task}" if what == "task" else "")
            advice = suggestion(wanted, there) or f"; make one: {command(f'analysis cluster {which}', session.store)}"
            word = "space" if what == "features" else what
            raise UnknownName(f"contingency: no clustering with {word} {wanted!r}{known}{advice}")
    measure = "share" if arguments["share"] else "n_rows"
    clusters = sorted({r["cluster"] for r in rows}, key=lambda c: (c < 0, c))
    classes = list(dict.fromkeys(r["class"] for r in rows))
    cells = {(r["class"], r["cluster"]): r[measure] for r in rows}
    columns: dict[str, pa.Array] = {"class": pa.array(classes, pa.string())}
    for cluster in clusters:
        name = f"cluster_{cluster}" if cluster >= 0 else "noise"
        columns[name] = pa.array([cells.get((c, cluster), 0) for c in classes])
    return pa.table(columns)


CONTINGENCY = TableFunction(
    _SIGNATURE,
    contingency,
    _COLUMNS,
    "Classes against clusters of a space's chosen clustering, as a matrix: counts of the scored half.",
)
