"""What the studies of this room read of a store: the same rows in every space and baseline, and their classes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.spectra.features import (
    HARDNESS,
    HARDNESS_NAME,
    PCA_NAME,
    WITH_BRIGHTNESS,
    Features,
    Spectra,
    logarithm,
    principal_components,
)
from analysis.study.samples import MASTER, Rows
from analysis.study.samples import read as read_rows
from catalog import Catalog
from catalog.errors import QueryError, Terminal, UnknownName, command, suggestion
from catalog.schema.columns import literal, quote
from catalog.store.pinned import BOTH
from embed.inputs.modalities import INPUTS
from embed.inputs.pooling import pooled
from embed.inputs.property_rows import LOG_COLUMNS
from embed.inputs.spectrum_grid import EDGES_KEV, N_POINTS

PROPERTIES = "properties"
_MASTER_COLUMNS = (
    *(*HARDNESS, "powlaw_gamma", "bb_kt", "var_intra_prob_b", "var_inter_prob_b"),
    *(f"flux_aper_{band}" for band in "bsmh"),
)
_COUNTS, _FLUX = "src_cnts_aper_b", "flux_aper_b"
_MASTER_SHARE = 0.8
_LEAST_ROWS = 30


class TooFewRows(Terminal, LookupError):
    """Too few rows are in all that is to be compared."""


@dataclass(frozen=True)
class Sample:
    """The rows of a study, in the order of their ids.

    Attributes
    ----------
    rows_are : str
        'detections' or 'sources'.
    ids, sources : ndarray of str objects, shape (n,)
    features : tuple of Features
        What was asked for, then the baselines: all of the same rows.
    spectra : Spectra or None
    snapshot : int
    notes : tuple of str
        What a reader of the results should know.
    columns : pyarrow.Table
        Columns of the catalog that were asked for.
    """

    rows_are: str
    ids: npt.NDArray[np.object_]
    sources: npt.NDArray[np.object_]
    features: tuple[Features, ...]
    spectra: Spectra | None
    snapshot: int
    notes: tuple[str, ...] = ()
    columns: pa.Table = field(default_factory=lambda: pa.table({}))

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.ids)

    def digest(self, *more: object) -> str:
        """Return a hash of all that was read."""
        digest = hashlib.sha256("\n".join(self.ids).encode() + "\n".join(self.sources).encode())
        for features in self.features:
            digest.update(f"{features.name} {features.encoder_id}".encode())
            digest.update(np.ascontiguousarray(features.x).tobytes())
        for column in self.columns.columns:
            digest.update(repr(column.to_pylist()).encode())
        digest.update(repr(more).encode())
        return digest.hexdigest()


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


def read(cat: Catalog, spaces: Sequence[str], where: str = "", columns: Sequence[str] = ()) -> Sample:
    """Read the detections that are in all of some spaces and have three hardness ratios, and the baselines of them.

    Parameters
    ----------
    cat : Catalog
    spaces : sequence of str
        Embedding spaces; of papers, a detection has the mean of the papers about its source.
    where : str
        SQL condition on csc.observation_source.
    columns : sequence of str
        Further columns of csc.observation_source.

    Raises
    ------
    TooFewRows
        If hardly any row is left; the message says what each condition leaves.
    UnknownName
        If a space has no vectors.
    """
    snapshot = cat.snapshots()[-1].number
    wanted = tuple(dict.fromkeys((*HARDNESS, _COUNTS, *columns)))
    kinds = {s: _modalities(cat, s, snapshot) for s in spaces}
    papers = {s for s, kind in kinds.items() if kind == {"papers"}}
    own = [s for s in spaces if s not in papers]
    has_properties = PROPERTIES in _spaces(cat, snapshot)
    base = [PROPERTIES] if has_properties and PROPERTIES not in own else []
    if not own and not base:
        raise TooFewRows("papers alone are of no detection; name a space of detections too: --space papers,properties")
    read_ = {s: read_rows(cat, s, wanted, where, snapshot) for s in (*own, *base)}
    texts = {s: _papers_of_sources(cat, s, snapshot) for s in sorted(papers)}
    first = next(iter(read_.values()))
    hardness = np.column_stack([first.column(c) for c in HARDNESS])
    left: dict[str, npt.NDArray[np.bool_]] = {}
    for space, rows in read_.items():
        left[f"in {space}"] = np.asarray(np.isin(first.ids, rows.ids))
    for space, text in texts.items():
        left[f"of a source with vectors in {space}"] = np.asarray(np.isin(first.sources, list(text)))
    left["with three hardness ratios"] = np.asarray(np.isfinite(hardness).all(axis=1))
    kept = np.asarray(np.stack(list(left.values())).all(axis=0))
    told = ", ".join(f"{int(m.sum()):,} {what}" for what, m in left.items())
    if kept.sum() < _LEAST_ROWS:
        raise TooFewRows(f"{int(kept.sum())} detections are left to compare, of {first.n:,}: {told}")
    chosen = first.take(kept)
    spectra = read_spectra(cat, chosen.ids, snapshot)
    features = [
        Features(s, _pooled_rows(texts[s], chosen) if s in texts else _aligned(read_[s], chosen), s not in spaces, _id)
        for s in (*spaces, *base)
        for _id in [read_[s].encoder_id if s in read_ else _encoder(cat, s, snapshot)]
    ]
    counts = chosen.column(_COUNTS)
    baselines = [Features(HARDNESS_NAME, hardness[kept], is_baseline=True)]
    if np.isfinite(counts).all():
        baselines.append(_with_brightness(hardness[kept], logarithm(counts), _COUNTS))
    if spectra is not None and spectra.mask.any(axis=1).all():
        baselines.append(Features(PCA_NAME, principal_components(spectra.values, spectra.mask), is_baseline=True))
    notes = [f"{chosen.n:,} detections are compared, of {first.n:,}: {told}"]
    if len(baselines) == 1:
        missing = int((~np.isfinite(counts)).sum())
        notes.append(f"{baselines[0].name} with counts are no baseline here: {_COUNTS} of {missing:,} is NULL")
    notes += [f"{s}: mean of the papers about a source; abstracts may name its class" for s in sorted(papers)]
    notes += [
        f"{s}: data and text of a source; abstracts may name its class" for s, kind in kinds.items() if BOTH in kind
    ]
    return Sample(
        "detections",
        chosen.ids,
        chosen.sources,
        (*features, *baselines),
        spectra,
        snapshot,
        tuple(notes),
        chosen.columns,
    )


def read_sources(cat: Catalog, where: str = "") -> Sample:
    """Read sources with three hardness ratios in csc.master_source, their other columns as features beside these.

    Raises
    ------
    TooFewRows
        If there are hardly any.
    """
    if where.strip():
        raise QueryError(f"--where is a condition on detections; the rows of {MASTER} are sources")
    snapshot = cat.snapshots()[-1].number
    there = " AND ".join(f"{c} IS NOT NULL" for c in HARDNESS)
    chosen = ", ".join(_MASTER_COLUMNS)
    table = cat.sql(f"SELECT name, {chosen} FROM {MASTER} WHERE {there} ORDER BY name", snapshot=snapshot).arrow()
    if len(table) < _LEAST_ROWS:
        raise TooFewRows(
            f"{len(table)} sources have three hardness ratios in {MASTER}, too few to compare; "
            f"bring more: {command('ingest files FOLDER', cat.path)}"
        )
    kept = [c for c in _MASTER_COLUMNS if len(table) - table[c].null_count >= _MASTER_SHARE * len(table)]
    values = np.column_stack([_numbers(table, c) for c in kept])
    logged = np.array([c in LOG_COLUMNS for c in kept])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(logged, np.log10(np.where(values > 0, values, np.nan)), values)
    means = np.nanmean(values, axis=0)
    hardness = values[:, [kept.index(c) for c in HARDNESS]]
    names = table["name"].to_numpy(zero_copy_only=False)
    features = [
        Features(MASTER, np.where(np.isfinite(values), values, means), is_baseline=False),
        Features(HARDNESS_NAME, hardness, is_baseline=True),
    ]
    if _FLUX in kept and np.isfinite(flux := values[:, kept.index(_FLUX)]).all():
        features.append(_with_brightness(hardness, flux[:, None], _FLUX))
    notes = (f"{len(names):,} sources with three hardness ratios; {MASTER} stands for {', '.join(kept)}",)
    return Sample("sources", names, names, tuple(features), None, snapshot, notes)


def _with_brightness(hardness: npt.NDArray[np.float64], brightness: npt.NDArray[np.float64], column: str) -> Features:
    made = np.concatenate([hardness, brightness], axis=1)
    return Features(f"{HARDNESS_NAME}, {WITH_BRIGHTNESS[column]}", made, is_baseline=True)


def read_classes(
    cat: Catalog, sample: Sample, authorities: Sequence[str], *, predicted: bool = False, candidates: bool = False
) -> Said:
    """Read the class of the source of each row.

    Parameters
    ----------
    cat : Catalog
    sample : Sample
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
            "SELECT DISTINCT authority FROM analysis.authority_class ORDER BY authority", snapshot=sample.snapshot
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
        snapshot=sample.snapshot,
    ).fetchall()
    said = {str(r[0]): r[1:] for r in rows}
    found = [said.get(s) for s in sample.sources.tolist()]
    told = {s for s in sample.sources.tolist() if s in said}
    conflicts = {
        str(r[0]) for r in cat.sql("SELECT name FROM analysis.class_conflict", snapshot=sample.snapshot).fetchall()
    }
    return Said(
        [None if f is None else str(f[0]) for f in found],
        [None if f is None or f[1] is None else str(f[1]) for f in found],
        len(told & conflicts),
        sum(bool(said[s][3]) for s in told),
    )


def read_spectra(cat: Catalog, ids: npt.NDArray[np.object_], snapshot: int) -> Spectra | None:
    """Read the input spectra of detections; None where the store has none of them."""
    place = {str(i): n for n, i in enumerate(ids)}
    values, mask = np.zeros((len(ids), N_POINTS), np.float32), np.zeros((len(ids), N_POINTS), np.bool_)
    source = INPUTS["spectrum"]
    query = source.query("(SELECT DISTINCT detection_id AS id FROM product.spectrum WHERE detection_id IS NOT NULL)")
    for batch in cat.sql(query, snapshot=snapshot).reader(source.batch_rows):
        prepared = source.prepare(pa.Table.from_batches([batch]))
        known = [i for i, name in enumerate(prepared.ids) if name in place]
        rows = [place[prepared.ids[i]] for i in known]
        values[rows], mask[rows] = prepared.arrays["values"][known], prepared.arrays["mask"][known]
    if not mask.any():
        return None
    return Spectra(values, mask, np.sqrt(EDGES_KEV[1:] * EDGES_KEV[:-1]))


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _spaces(cat: Catalog, snapshot: int) -> dict[str, str]:
    rows = cat.sql("SELECT space, encoder_id FROM meta.space ORDER BY space", snapshot=snapshot).fetchall()
    return {str(space): str(encoder) for space, encoder in rows}


def _encoder(cat: Catalog, space: str, snapshot: int) -> str:
    return _spaces(cat, snapshot)[space]


def _modalities(cat: Catalog, space: str, snapshot: int) -> set[str]:
    rows = cat.sql(f"SELECT DISTINCT modality FROM embedding.{quote(space)}", snapshot=snapshot).fetchall()
    return {str(modality) for (modality,) in rows}


def _papers_of_sources(cat: Catalog, space: str, snapshot: int) -> Mapping[str, npt.NDArray[np.floating]]:
    """Return the mean vector of the papers about each source."""
    ids, vectors = cat.vectors(space, snapshot)
    place = {str(i): n for n, i in enumerate(ids)}
    links = cat.sql("SELECT bibcode, name FROM lit.confident_link ORDER BY ALL", snapshot=snapshot).fetchall()
    known = [(place[str(b)], str(s)) for b, s in links if str(b) in place]
    names = sorted({s for _, s in known})
    number = {s: n for n, s in enumerate(names)}
    papers, sources = np.array([p for p, _ in known], np.int64), np.array([number[s] for _, s in known], np.int64)
    means = pooled(vectors, papers, sources, len(names))
    return dict(zip(names, means, strict=True))


def _pooled_rows(text: Mapping[str, npt.NDArray[np.floating]], rows: Rows) -> npt.NDArray[np.floating]:
    return np.stack([text[str(s)] for s in rows.sources])


def _aligned(rows: Rows, chosen: Rows) -> npt.NDArray[np.float32]:
    place = {i: n for n, i in enumerate(rows.ids.tolist())}
    return rows.vectors[[place[i] for i in chosen.ids.tolist()]]
