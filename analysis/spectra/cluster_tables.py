"""What the commands of this room print: every score with its control, its interval and its gain beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from analysis.study.options import say
from catalog import Catalog
from catalog.console import OUT, wide

Row = Mapping[str, object]

# Of the baselines, that which is hardest to beat.
_HARDEST = """
WITH hardest AS (
  SELECT rows_are, task, features, method AS by, mapping AS of_mapping,
    arg_min({'baseline': baseline, 'gain': gain, 'low': gain_low, 'high': gain_high}, gain) AS least
  FROM analysis.baseline_gain WHERE run_id = $run GROUP BY ALL
)
"""
_LEAST = "least.baseline AS hardest, least.gain AS least, least.low AS least_low, least.high AS least_high"
_SCORES = f"""
{_HARDEST}
SELECT rows_are, task, features, is_baseline, algorithm || ' ' || setting AS method, mapping, chosen,
  balanced_accuracy, balanced_accuracy_low, balanced_accuracy_high, control_mean, control_high,
  gain, gain_low, gain_high, n_classes, n_sources, left_out, n_splits, n_trainings, {_LEAST}
FROM analysis.cluster_score AS s LEFT JOIN hardest AS h USING (rows_are, task, features)
WHERE run_id = $run AND chosen IS NOT NULL AND mapping = 'many-to-one' AND (h.by IS NULL OR (h.of_mapping = s.mapping
  AND h.by = 'clusters, ' || CASE chosen WHEN 'without labels' THEN chosen ELSE 'with labels' END))
ORDER BY rows_are, task DESC, is_baseline, features, balanced_accuracy DESC
"""
_PROBES = f"""
{_HARDEST}
SELECT rows_are, task, features, is_baseline, probe AS method, '' AS mapping, 'trained' AS chosen,
  balanced_accuracy, balanced_accuracy_low, balanced_accuracy_high, control_mean, control_high,
  gain, gain_low, gain_high, n_classes, n_sources, NULL AS left_out, n_splits, n_trainings, {_LEAST}
FROM analysis.probe_score AS s LEFT JOIN hardest AS h USING (rows_are, task, features)
WHERE run_id = $run AND (h.by IS NULL OR h.by = s.probe) ORDER BY rows_are, task DESC, is_baseline, features, probe
"""


def show_clusters(cat: Catalog, run_id: int) -> None:
    """Print the chosen clusterings and the probes of a run, task by task."""
    for title, query in (("clusters, many-to-one", _SCORES), ("supervised probes", _PROBES)):
        rows = cat.sql(query, run=run_id).arrow().to_pylist()
        for key in dict.fromkeys((r["rows_are"], r["task"]) for r in rows):
            own = [r for r in rows if (r["rows_are"], r["task"]) == key]
            heading = f"{key[1]}: {title}; {own[0]['n_classes']} classes, {own[0]['n_sources']:,} sources; mean of "
            heading += f"{own[0]['n_splits'] or 1} splits, intervals of one split"
            _print(heading, own)
            if own[0]["left_out"]:
                say(f"  left out, too few sources: {own[0]['left_out']}")
    simulated(cat, run_id)


_FORMULAS = """
SELECT * FROM analysis.formula WHERE run_id = $run AND chosen
ORDER BY direction DESC, found DESC, r2 DESC, target
"""


def show_formulas(cat: Catalog, run_id: int) -> None:
    """Print the chosen formula of each target of a run."""
    rows = cat.sql(_FORMULAS, run=run_id).arrow().to_pylist()
    for direction in dict.fromkeys(r["direction"] for r in rows):
        own = [r for r in rows if r["direction"] == direction]
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
        table.title = f"{direction}; R2 on sources that were not fitted, {own[0]['n_sources']:,} sources in all"
        for name in ("target", "found", "R2", "linear model", "gain over linear", "shuffled", "formula", "units"):
            table.add_column(name, overflow="fold")
        for r in own:
            table.add_row(
                escape(str(r["target"])),
                "yes" if r["found"] else "no",
                interval(r, "r2"),
                interval(r, "linear_r2"),
                interval(r, "gain", signed=True),
                f"{number(r['control_mean'])} (< {number(r['control_high'])})",
                escape(str(r["formula"])),
                escape(str(r["units"] or "")),
            )
        wide().print(table)
    simulated(cat, run_id)


def simulated(cat: Catalog, run_id: int) -> None:
    """Say that results are of simulated sources, where they are."""
    ((n, n_simulated),) = cat.sql(
        "SELECT n_sources, n_simulated FROM analysis.run WHERE run_id = $run", run=run_id
    ).fetchall()
    if n_simulated:
        OUT.print(f"{n_simulated:,} of {n:,} sources are SIMULATED", highlight=False)


def _print(title: str, rows: Sequence[Row]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=escape(title), title_justify="left")
    heads = ("features", "method", "chosen", "balanced accuracy", "shuffled", "gain over hardness ratios")
    for name in (*heads, "least gain over a baseline"):
        table.add_column(name)
    for r in rows:
        table.add_row(
            escape(f"{r['features']}{_remark(r)}"),
            escape(str(r["method"])),
            str(r["chosen"]),
            interval(r, "balanced_accuracy"),
            f"{number(r['control_mean'])} (< {number(r['control_high'])})",
            interval(r, "gain", signed=True),
            f"{interval(r, 'least', signed=True)} {escape(str(r['hardest']))}" if r["hardest"] else "",
        )
    wide().print(table)


def _remark(row: Row) -> str:
    if row["is_baseline"]:
        return " (baseline)"
    n = row["n_trainings"]
    return f" ({n} trainings)" if isinstance(n, int) and n > 1 else ""


def number(value: object, *, signed: bool = False) -> str:
    """Write a number with three digits; '-' where there is none.

    Examples
    --------
    >>> number(0.12345), number(0.1, signed=True), number(None)
    ('0.123', '+0.100', '-')
    """
    if not isinstance(value, int | float):
        return "-"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def interval(row: Row, name: str, *, signed: bool = False) -> str:
    """Write a number and its interval.

    Examples
    --------
    >>> interval({"r2": 0.5, "r2_low": 0.4, "r2_high": 0.61}, "r2")
    '0.500 [0.400, 0.610]'
    """
    low, high = (number(row[f"{name}_{end}"], signed=signed) for end in ("low", "high"))
    return escape(f"{number(row[name], signed=signed)} [{low}, {high}]")
