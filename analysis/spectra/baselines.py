"""What is not read of every run: colours that the response is taken out of, and other trainings of an encoder.

Both take minutes on a large store. So they are made when a question is answered, not when its answer is looked up; what
they are made of is told by `told`, which takes a moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.spectra.features import (
    COLOUR_EDGES_KEV,
    COLOURS_NAME,
    PCA_NAME,
    WITH_BRIGHTNESS,
    Features,
    colours,
    logarithm,
)
from analysis.spectra.spectrum_samples import Sample
from catalog import Catalog
from embed.inputs.folded_rows import in_bands
from embed.inputs.modalities import INPUTS
from embed.store.twins import twins, vectors_of

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]
_COUNTS = "spectrum_counts"


def told(cat: Catalog, sample: Sample) -> str:
    """Return a hash of what `completed` reads: fingerprints of the spectra with their responses, names of encoders."""
    parts = [
        t.encoder_id for f in sample.features if f.encoder_id for t in twins(cat.path, f.encoder_id, sample.snapshot)
    ]
    if sample.spectra is not None:
        query = INPUTS[_COUNTS].fingerprints(_EVERYTHING)
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
        NaN for a detection without a spectrum, or without its whole response. See `embed.inputs.folded_rows.in_bands`.
    """
    edges, source = np.array(COLOUR_EDGES_KEV), INPUTS[_COUNTS]
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
