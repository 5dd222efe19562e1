"""What the studies of this room read of a store: the same rows in every space and baseline.

Colours that the response is taken out of, and other trainings of an encoder, take minutes on a large store. So they are
made when a question is answered (`completed`), not when its answer is looked up; what they are made of is told by
`told`, which takes a moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.spectra.features import (
    COLOUR_EDGES_KEV,
    COLOURS_NAME,
    HARDNESS,
    HARDNESS_NAME,
    PCA_NAME,
    WITH_BRIGHTNESS,
    Features,
    Spectra,
    colours,
    logarithm,
    principal_components,
)
from analysis.study.samples import MASTER, hashed, numbers, papers_of_sources, spaces_of
from analysis.study.samples import read as read_rows
from catalog import Catalog
from catalog.errors import QueryError, Terminal, command
from catalog.schema.columns import quote
from catalog.store.pinned import BOTH
from embed.inputs.modalities import INPUTS
from embed.inputs.properties import LOG_COLUMNS
from embed.inputs.responses import in_bands
from embed.inputs.spectra import EDGES_KEV, N_POINTS
from embed.store.sweeps import twins, vectors_of

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
        described = [part for f in self.features for part in (f"{f.name} {f.encoder_id}", f.x)]
        return hashed("\n".join(self.ids), "\n".join(self.sources), *described, self.columns, repr(more))


def read(
    cat: Catalog,
    spaces: Sequence[str],
    where: str = "",
    columns: Sequence[str] = (),
    met: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Sample:
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
    met : mapping of str to collection of str
        Sources to be left out, by who has met them.

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
    encoders = spaces_of(cat, snapshot)
    has_properties = PROPERTIES in encoders
    base = [PROPERTIES] if has_properties and PROPERTIES not in own else []
    if not own and not base:
        raise TooFewRows("papers alone are of no detection; name a space of detections too: --space papers,properties")
    read_ = {s: read_rows(cat, s, wanted, where, snapshot) for s in (*own, *base)}
    texts = {s: papers_of_sources(cat, s, snapshot) for s in sorted(papers)}
    first = next(iter(read_.values()))
    hardness = np.column_stack([first.column(c) for c in HARDNESS])
    left: dict[str, npt.NDArray[np.bool_]] = {}
    for space, rows in read_.items():
        left[f"in {space}"] = np.asarray(np.isin(first.ids, rows.ids))
    for space, text in texts.items():
        left[f"of a source with vectors in {space}"] = np.asarray(np.isin(first.sources, list(text)))
    known = {who: np.isin(first.sources.astype(str), list(names)) for who, names in met.items()}
    left |= {f"of a source that is not in {who} too": np.asarray(~seen) for who, seen in known.items()}
    left["with three hardness ratios"] = np.asarray(np.isfinite(hardness).all(axis=1))
    kept = np.asarray(np.stack(list(left.values())).all(axis=0))
    told = ", ".join(f"{int(m.sum()):,} {what}" for what, m in left.items())
    if kept.sum() < _LEAST_ROWS:
        raise TooFewRows(f"{int(kept.sum())} detections are left to compare, of {first.n:,}: {told}")
    chosen = first.take(kept)
    spectra = read_spectra(cat, chosen.ids, snapshot)

    def vectors_in(space: str) -> npt.NDArray[np.floating]:
        if space in texts:
            return np.stack([texts[space][str(s)] for s in chosen.sources])
        return read_[space].vectors_of(chosen.ids)

    features = [Features(s, vectors_in(s), s not in spaces, encoders[s]) for s in (*spaces, *base)]
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
    values = np.column_stack([numbers(table, c) for c in kept])
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


def _modalities(cat: Catalog, space: str, snapshot: int) -> set[str]:
    rows = cat.sql(f"SELECT DISTINCT modality FROM embedding.{quote(space)}", snapshot=snapshot).fetchall()
    return {str(modality) for (modality,) in rows}


Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]
_SPECTRA = "spectrum_counts"


def told(cat: Catalog, sample: Sample) -> str:
    """Return a hash of what `completed` reads: fingerprints of the spectra with their responses, names of encoders."""
    parts = [
        t.encoder_id for f in sample.features if f.encoder_id for t in twins(cat.path, f.encoder_id, sample.snapshot)
    ]
    if sample.spectra is not None:
        query = INPUTS[_SPECTRA].fingerprints(_EVERYTHING)
        digest = f"SELECT bit_xor(md5_number(concat(id, input_sha256)))::VARCHAR FROM ({query})"
        parts.append(str(cat.sql(digest, snapshot=sample.snapshot).fetchall()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def completed(cat: Catalog, sample: Sample, say: Say = lambda _: None) -> Sample:
    """Add the baselines of colours, where all rows have a spectrum with its response, and the other trainings."""
    features = [_with_trainings(cat, f, sample, say) for f in sample.features]
    if sample.spectra is None:
        return replace(sample, features=tuple(features))
    say(f"reading the spectra of {sample.n:,} {sample.rows_are} with their responses: colours are a baseline")
    counts, background, area = band_counts(cat, sample.ids, sample.snapshot)
    there = np.isfinite(area).all(axis=1) & (area > 0).all(axis=1)
    if there.all():
        made = colours(counts - background, area)
        brightness = logarithm(counts.sum(axis=1) - background.sum(axis=1))
        made_too = np.concatenate([made, brightness], axis=1)
        features.append(Features(COLOURS_NAME, made, is_baseline=True))
        features.append(Features(f"{COLOURS_NAME}, {WITH_BRIGHTNESS['src_cnts_aper_b']}", made_too, is_baseline=True))
    else:
        n = int((~there).sum())
        say(f"{COLOURS_NAME} are no baseline here: {n:,} of {sample.n:,} have no spectrum with its ARF and RMF")
    if not sample.spectra.mask.any(axis=1).all():
        n = int((~sample.spectra.mask.any(axis=1)).sum())
        say(f"{PCA_NAME} is no baseline here: {n:,} of {sample.n:,} have no spectrum")
    return replace(sample, features=tuple(features))


def band_counts(cat: Catalog, ids: npt.NDArray[np.object_], snapshot: int) -> tuple[Floats, Floats, Floats]:
    """Read counts, expected background counts and folded area of detections in the bands of the colours.

    Parameters
    ----------
    cat : Catalog
    ids : ndarray of str objects, shape (n,)
    snapshot : int

    Returns
    -------
    counts, background, area : ndarray of float, shape (n, 6)
        NaN for a detection without a spectrum, or without its whole response. See `embed.inputs.responses.in_bands`.
    """
    edges, source = np.array(COLOUR_EDGES_KEV), INPUTS[_SPECTRA]
    place = {str(i): n for n, i in enumerate(ids)}
    out = np.full((3, len(ids), len(edges) - 1), np.nan)
    for batch in cat.sql(source.query(_EVERYTHING), snapshot=snapshot).reader(source.batch_rows):
        names, *found = in_bands(pa.Table.from_batches([batch]), edges)
        known = [i for i, name in enumerate(names) if name in place]
        out[:, [place[names[i]] for i in known]] = np.stack(found)[:, known]
    counts, background, area = out
    return counts, background, area


_EVERYTHING = "(SELECT DISTINCT detection_id AS id FROM product.spectrum WHERE detection_id IS NOT NULL)"


def _with_trainings(cat: Catalog, features: Features, sample: Sample, say: Say) -> Features:
    """Add the vectors of the same rows by each other training of the encoder."""
    others = []
    for twin in twins(cat.path, features.encoder_id, sample.snapshot) if features.encoder_id else ():
        encoder = twin.load(cat.path)
        made = vectors_of(cat.path, encoder, [str(i) for i in sample.ids], sample.snapshot)
        vectors = made.get("both", next(iter(made.values()), np.empty((0, 0), np.float32)))
        if len(vectors) == sample.n and np.isfinite(vectors).all():
            others.append(vectors)
        else:
            say(f"{twin.encoder_id} is left out: it has no vector for some of the rows")
    return replace(features, others=tuple(others))
