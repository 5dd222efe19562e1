"""Does an encoder of photons know time? Kinds of variability of a simulated survey, told from constant sources.

A random forest learns from vectors which sources vary (the truth of the simulation), and is asked of sources that it
has not seen: five folds, by source. What is printed is the area under the ROC curve, per kind and range of counts, with
an interval of 95 % over sources. A kind is told from constant sources of the same range.

* each encoder of the space `events` that STORE has: those trained there have seen the photons of all, and no truth;
* summary, of time alone: those statistics of the ready-made encoder that no energy and no brightness enters. Kinds of
  objects vary in kinds of ways and have colours, so a vector that knows colours alone is better than chance;
* var_index: the index of Gregory & Loredo (1992) as it is, nothing learned; and counts, as they are;
* shuffled, the control: the vectors of the first encoder, with the truth of other sources.

The second table: columns of the catalog, from the same vectors by a forest of regressions, in the same folds; mean
absolute error.

Type: python benchmarks/photons_in_time.py STORE [--trees 200] [--seed 0].
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import GroupKFold

import catalog
from embed.inputs.photons import NAMES
from embed.store.sweeps import Twin, vectors_of

Floats = npt.NDArray[np.float64]
RANGES = ((20, 100), (100, 1000), (1000, np.inf))
LEAST, FOLDS, DRAWS = 15, 5, 500
OF_TIME = [i for i, n in enumerate(NAMES) if n.startswith(("time_", "log_dispersion", "peak_fraction"))]
COLUMNS = ("hard_hs", "hard_ms", "hard_hm", "var_prob_b")


def detections(store: Path) -> dict[str, npt.NDArray[np.object_]]:
    """Return what is known of each detection that has photons and a truth."""
    query = f"""SELECT o.detection_id AS id, o.name, t.variability, o.src_cnts_aper_b AS counts, o.var_index_b,
          {", ".join(f"o.{c}" for c in COLUMNS)}
        FROM csc.observation_source AS o JOIN simulated.truth AS t USING (name)
        WHERE o.detection_id IN (SELECT id FROM meta.embedded WHERE space = 'events' AND skipped IS NULL)
        ORDER BY o.detection_id"""
    with catalog.open(store) as cat:
        table = cat.sql(query).arrow()
    found = {c: table[c].to_numpy(zero_copy_only=False) for c in table.column_names if c != "variability"}
    found["kind"] = np.array([json.loads(v)["kind"] for v in table["variability"].to_pylist()], object)
    return found


def representations(store: Path, rows: dict[str, npt.NDArray[np.object_]]) -> dict[str, Floats]:
    """Return the vectors of each encoder of events, and the numbers that need none; (n, m) each."""
    with catalog.open(store) as cat:
        query = """SELECT encoder_id, weights_sha256, configuration ->> 'model', dim FROM meta.encoder
            WHERE space = 'events' ORDER BY version"""
        encoders = cat.sql(query).fetchall()
    found: dict[str, Floats] = {}
    for id_, weights, model, dim in encoders:
        (vectors,) = vectors_of(store, Twin(id_, weights).load(store), [str(i) for i in rows["id"]]).values()
        found[f"{model} ({dim})"] = vectors.astype(np.float64)
        if model == "summary":
            found[f"{model}, of time alone ({len(OF_TIME)})"] = vectors[:, OF_TIME].astype(np.float64)
    return found


def out_of_fold(x: Floats, y: npt.NDArray[np.bool_], sources: npt.NDArray[np.object_], trees: int, seed: int) -> Floats:
    """Return the probability that each row varies, by a forest that has not seen its source."""
    out = np.zeros(len(y))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(x, y, sources):
        forest = RandomForestClassifier(trees, min_samples_leaf=5, class_weight="balanced", random_state=seed)
        out[test] = forest.fit(x[train], y[train]).predict_proba(x[test])[:, 1]
    return out


def area(score: Floats, y: npt.NDArray[np.bool_], sources: npt.NDArray[np.object_], seed: int) -> str:
    """Return the area under the ROC curve with its interval, sources drawn anew."""
    _, index = np.unique(sources, return_inverse=True)
    n = index.max() + 1
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), DRAWS)
    weights = np.concatenate([np.ones((1, len(y))), times[:, index]])
    # Each draw's area by the weights of what varies and what does not, in order of the score; equal scores count half.
    _, tied = np.unique(score, return_inverse=True)
    order = np.argsort(tied, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(tied))])[:-1]
    does, not_ = (np.add.reduceat(weights[:, order] * side[order], starts, axis=1) for side in (y, ~y))
    below = np.cumsum(not_, axis=1) - 0.5 * not_
    with np.errstate(invalid="ignore"):
        areas = (does * below).sum(axis=1) / (does.sum(axis=1) * not_.sum(axis=1))
    low, high = np.nanquantile(areas[1:], [0.025, 0.975])
    return f"{areas[0]:.3f} [{low:.3f}, {high:.3f}]"


def errors(x: Floats, target: Floats, sources: npt.NDArray[np.object_], trees: int, seed: int) -> str:
    """Return the mean absolute error of a column on unseen sources, with its interval."""
    there = np.isfinite(target)
    x, target, sources = x[there], target[there], sources[there]
    error = np.zeros(len(target))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(x, target, sources):
        forest = RandomForestRegressor(trees, min_samples_leaf=5, max_features=0.5, random_state=seed)
        error[test] = np.abs(forest.fit(x[train], target[train]).predict(x[test]) - target[test])
    _, index = np.unique(sources, return_inverse=True)
    total, n = np.bincount(index, error), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(0, len(n), (DRAWS, len(n)))
    low, high = np.quantile(total[drawn].sum(axis=1) / n[drawn].sum(axis=1), [0.025, 0.975])
    return f"{error.mean():.3f} [{low:.3f}, {high:.3f}]"


def main() -> int:
    """Print both tables."""
    read = argparse.ArgumentParser(description="Does an encoder of photons know time?")
    read.add_argument("store", type=Path)
    read.add_argument("--trees", type=int, default=200)
    read.add_argument("--seed", type=int, default=0)
    asked = read.parse_args()
    rows = detections(asked.store)
    if len(set(rows["name"])) < FOLDS * LEAST:
        print(f"error: the store has photons of {len(set(rows['name']))} simulated sources, too few to learn from")
        return 1
    vectors = representations(asked.store, rows)
    counts, sources = rows["counts"].astype(np.float64), rows["name"]
    index = np.nan_to_num(rows["var_index_b"].astype(np.float64))
    print("| kind | counts | detections, constant | " + " | ".join(vectors) + " | var_index | counts | shuffled |")
    print("|---" * (len(vectors) + 6) + "|")
    constant = rows["kind"] == "constant"
    kinds = ["any", *sorted({*rows["kind"]} - {"constant"})]
    for kind in kinds:
        for low, high in RANGES:
            is_kind = ~constant if kind == "any" else rows["kind"] == kind
            here = (is_kind | constant) & (counts >= low) & (counts < high)
            y, names = is_kind[here], sources[here]
            if min(y.sum(), (~y).sum()) < LEAST:
                continue
            scores = [out_of_fold(v[here], y, names, asked.trees, asked.seed) for v in vectors.values()]
            order = np.random.default_rng(asked.seed).permutation(len(y))
            control = out_of_fold(next(iter(vectors.values()))[here], y[order], names, asked.trees, asked.seed)
            cells = [area(s, y, names, asked.seed) for s in (*scores, index[here], counts[here])]
            cells.append(area(control, y[order], names, asked.seed))
            span = f"{low:,} to {high:,.0f}" if np.isfinite(high) else f"{low:,} and more"
            print(f"| {kind} | {span} | {y.sum()}, {(~y).sum()} | " + " | ".join(cells) + " |", flush=True)
    print("\n| column | " + " | ".join(vectors) + " | control: median |\n" + "|---" * (len(vectors) + 2) + "|")
    for column in COLUMNS:
        target = rows[column].astype(np.float64)
        cells = [errors(v, target, sources, asked.trees, asked.seed) for v in vectors.values()]
        cells.append(f"{np.nanmean(np.abs(target - np.nanmedian(target))):.3f}")
        print(f"| {column} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
