"""The exam of retrieval: photons find papers, beside a look-up that learns nothing, and beside an oracle.

Each row of the table is judged on sources that its alignment has not seen, one candidate each. Split by source, or by
field of view: sources of one field share papers, names and exposures. Several seeds: each holds out other sources, and
trains another network. Intervals, of 95 %, are over sources and seeds.

* papers: vectors of photons aligned with the papers as they are. Vectors of papers know no exposures.
* words alone: the same without the figures that papers state.
* look-up: the exposure that papers state, looked up among livetimes. Nothing is learned.
* oracle: told what each simulated source really is, in the place of the papers; aligned by the same network. What is
  missing between the oracle and one is not in the photons, or not in their vectors; what is missing between the papers
  and the oracle is not in the papers, or lost in reading them.
* shuffled, the control: the same vectors as of the papers, each asked of the papers of another source.

Results are kept one by one in OUTPUT, by the rows they are of; what is there is not computed again.

Type: python benchmarks/retrieval_exam.py STORE OUTPUT [--model events-spectrum] [--split source]
[--seeds 3] [--epochs 60].
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import catalog
from analysis.papers.exposure_lookup import exposure_similarity, stated_exposures
from analysis.papers.retrieval import Ranks, intervals, ranked, ranks
from catalog.errors import UnknownName
from catalog.store import lake
from embed import registry
from embed.inputs.modalities import EVERYTHING, INPUTS
from embed.inputs.pairs import modality
from embed.inputs.papers import as_written
from embed.protocol import Settings
from embed.store.space_relations import register

Floats = npt.NDArray[np.float64]
ORACLES = {"oracle: class": False, "oracle: class, light curve, spectrum, flux": True}
SPLITS = ("source", "field")


def told(truth: dict[str, tuple[str, str, str, float]], names: list[str], *, everything: bool) -> Floats:
    """Return what the oracle is told of each source, shape (n, m)."""
    classes = sorted({t[0] for t in truth.values()})
    kinds = sorted({json.loads(t[2])["kind"] for t in truth.values()})
    rows = []
    for name in names:
        class_, model, variability, flux = truth[name]
        parts = [c for c in json.loads(model)["base"] if c["kind"] != "line"]
        main = max(parts, key=lambda c: c["fraction"])
        row = [float(class_ == c) for c in classes]
        if everything:
            row += [float(json.loads(variability)["kind"] == k) for k in kinds]
            row += [np.log10(main["nh"] + 0.01), main["value"], np.log10(flux)]
            row += [float(main["kind"] == k) for k in ("powerlaw", "thermal", "blackbody")]
        rows.append(row)
    return np.array(rows)


def with_oracle(rows: pa.Table, oracle: Floats) -> pa.Table:
    """Return rows of an aligned space's input in which each source has one paper, and its vector is the oracle."""
    papers = [
        [{"bibcode": n, "year": 2000, "citation_count": 0, "title": None, "abstract": None, "vector": v}]
        for n, v in zip(rows["name"].to_pylist(), oracle.tolist(), strict=True)
    ]
    place = rows.schema.get_field_index("papers")
    return rows.set_column(place, "papers", pa.array(papers))


def without_figures(rows: pa.Table) -> pa.Table:
    """Return rows in which no paper has a text to read figures from; its sentence vector stays."""
    papers = [[p | {"title": None, "abstract": None} for p in some] for some in rows["papers"].to_pylist()]
    place = rows.schema.get_field_index("papers")
    return rows.set_column(place, "papers", pa.array(papers, rows.schema.field("papers").type))


def aligned(model: str, rows: pa.Table, split: str, seed: int, epochs: int) -> tuple[list[str], Ranks, Ranks]:
    """Align rows; return the unseen sources, where each one's text stands among theirs, and where for another one."""
    options: dict[str, int | float | str | bool] = {"gamma": 0.1, "split": split}
    settings = Settings(latent=64, epochs=epochs, learning_rate=2e-3, seed=seed, device="cpu", options=options)
    encoder = registry.fit("aligned", model, lambda: iter([rows]), settings).encoder
    unseen = sorted({str(s) for s in encoder.configuration()["held_out_sources"]})  # type: ignore[union-attr]
    names = rows["name"].to_pylist()
    of: dict[str, list[int]] = {n: [] for n in unseen}
    for i, n in enumerate(names):
        if n in of:
            of[n].append(i)
    arrays = INPUTS[modality(model)].prepare(rows).arrays
    sides = encoder.encode_sides(arrays)  # type: ignore[attr-defined]
    data, text = (np.array([sides[of[n], side].mean(axis=0) for n in unseen]) for side in (0, 1))
    right = np.eye(len(unseen), dtype=bool)
    another = np.random.default_rng(seed).permutation(len(unseen))
    return unseen, ranks(data, text, right), ranks(data[another], text, right)


def looked_up(rows: pa.Table, livetime_ks: dict[str, float], unseen: list[str]) -> Ranks:
    """Return where each unseen source's papers stand by the exposure that they state."""
    ids, names, papers = (rows[c].to_pylist() for c in ("id", "name", "papers"))
    each = {n: [livetime_ks[i] for i, m in zip(ids, names, strict=True) if m == n] for n in unseen}
    texts = {n: [as_written(p["title"], p["abstract"]) for p in ps] for n, ps in zip(names, papers, strict=True)}
    similar = exposure_similarity(
        [np.array(each[n], np.float64) for n in unseen], [stated_exposures(texts[n]) for n in unseen]
    )
    return ranked(similar, np.eye(len(unseen), dtype=bool))


class Kept:
    """Ranks that are kept in a file, one by one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def get(self, key: str, make: Callable[[], Ranks]) -> Ranks:
        """Return ranks: as they were kept, or made now and kept."""
        if key not in self.known:
            found = make()
            self.known[key] = {"rank": found.rank.tolist(), "n": found.n_candidates}
            self.path.write_text(json.dumps(self.known), "utf-8")
            print(f"{key}: {found.metrics()['recall_1']:.3f}", flush=True)
        return Ranks(np.array(self.known[key]["rank"]), self.known[key]["n"])


def rows_of(store: Path, model: str) -> pa.Table:
    """Read the rows of an aligned space's input that have papers."""
    kind = INPUTS[modality(model)]
    with contextlib.closing(lake.connect(store)) as connection:
        register(connection, store, kind.spaces)
        rows = connection.execute(kind.query(EVERYTHING[kind.modality])).to_arrow_table()
    return rows.filter(rows["papers"].is_valid())


def mark_of(rows: pa.Table) -> str:
    """Return a mark of rows: of which detections they are, their vectors, their papers, and the encoders of both."""
    mark = hashlib.sha256()
    rows = rows.sort_by("id")
    for column in ("id", "name", "learned_from", "data"):
        mark.update(repr(rows[column].to_pylist()).encode())
    for some in rows["papers"].to_pylist():
        mark.update(repr([(p["bibcode"], p["title"], p["abstract"]) for p in some]).encode())
    return mark.hexdigest()[:16]


def absent() -> Ranks:
    """Refuse: a look-up is of the sources that an alignment left out, and is kept before that."""
    raise SystemExit("OUTPUT has an alignment without its look-up: remove the file and run again")


def exam(
    store: Path, kept: Kept, model: str, splits: list[str], seeds: int, epochs: int
) -> Iterator[tuple[str, str, list[Ranks]]]:
    """Yield (split, what was asked, ranks of each seed)."""
    rows = rows_of(store, model)
    with catalog.open(store) as cat:
        query = "SELECT name, class, spectral_model, variability, flux FROM simulated.truth"
        truth = {n: tuple(rest) for n, *rest in cat.sql(query).fetchall()}
        query = "SELECT detection_id, livetime / 1000 FROM csc.observation_source"
        livetime_ks = {str(i): float("nan") if t is None else float(str(t)) for i, t in cat.sql(query).fetchall()}
    names, mark = rows["name"].to_pylist(), mark_of(rows)
    texts: dict[str, pa.Table] = {"papers": rows, "papers, words alone": without_figures(rows)}
    if set(names) <= truth.keys():
        texts |= {o: with_oracle(rows, told(truth, names, everything=e)) for o, e in ORACLES.items()}  # type: ignore[arg-type]
    for split in splits:
        for what, table in texts.items():
            found = []
            for seed in range(seeds):
                key = f"{mark} | {model} | {split} | {what} | {seed} | {epochs}"

                def align(table: pa.Table = table, split: str = split, seed: int = seed, key: str = key) -> Ranks:
                    unseen, its, control = aligned(model, table, split, seed, epochs)
                    kept.get(f"{key} | looked up", lambda: looked_up(rows, livetime_ks, unseen))
                    kept.get(f"{key} | shuffled", lambda: control)
                    return its

                found.append(kept.get(key, align))
            yield split, what, found
        for what, how in (("look-up of the exposure", "looked up"), ("shuffled (control)", "shuffled")):
            keys = [f"{mark} | {model} | {split} | papers | {seed} | {epochs} | {how}" for seed in range(seeds)]
            yield split, what, [kept.get(k, absent) for k in keys]


def main() -> int:
    """Print the table."""
    read = argparse.ArgumentParser(description="The exam of retrieval.")
    read.add_argument("store", type=Path)
    read.add_argument("output", type=Path)
    read.add_argument("--model", default="events-spectrum")
    read.add_argument("--split", choices=SPLITS, action="append", help="only this one; repeatable")
    read.add_argument("--seeds", type=int, default=3)
    read.add_argument("--epochs", type=int, default=60)
    asked = read.parse_args()
    table = []
    try:
        n = rows_of(asked.store, asked.model).num_rows
    except UnknownName as error:
        print(f"error: {error}")
        return 1
    if not n:
        print("error: no source of the store has both vectors and papers")
        return 1
    splits = asked.split or [*SPLITS]
    for split, what, found in exam(asked.store, Kept(asked.output), asked.model, splits, asked.seeds, asked.epochs):
        told_ = intervals(found)
        cells = [
            f"{told_[m].value:.3f} [{told_[m].low:.3f}, {told_[m].high:.3f}]"
            for m in ("recall_1", "recall_5", "relative_median_rank")
        ]
        n = " ".join(str(len(f.rank)) for f in found)
        table.append(f"| {split} | {what} | {' | '.join(cells)} | {n} |")
    print("| split by | text side | Recall@1% | Recall@5% | median rank, share | sources |\n|---|---|---|---|---|---|")
    print("\n".join(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
