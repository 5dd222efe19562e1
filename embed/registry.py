"""What an encoder is, where encoders are found, and how one is kept on disk.

The way from a row of the lake to a vector, the same for every space:

1. ``kind = family(space, model)`` says which `embed.inputs.modalities.Input` the encoder reads (``kind.modality``).
2. ``INPUTS[kind.modality].query(selected)`` is the SQL of its rows: one row per id, with columns ``id`` and ``name``;
   ``.fingerprints(selected)`` is the SQL of ``(id, name, input_sha256)``, cheap, for finding changed inputs.
3. Training: ``fit(space, model, stream, settings)``, where ``stream()`` starts the rows of the query afresh as an
   iterator of Arrow tables of any size.
4. Encoding: ``encode_rows(encoder, rows)`` gives ids, names, float32 vectors, and the reason of every row without one.
5. ``save(encoder, models_dir)`` writes ``<sha256>.safetensors`` and ``<sha256>.json``; ``load(path)`` restores it.

Nothing here knows a database, and nothing here loads torch before an encoder needs it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from catalog.errors import PhotonlakeError, UnknownName, suggestion
from catalog.formats.whole_files import write_whole
from embed.inputs.modalities import INPUTS
from embed.protocol import (
    BrokenWeights,
    Configuration,
    Encoded,
    Encoder,
    Fit,
    Fitted,
    Json,
    NothingToTrainOn,
    Progress,
    Restore,
    Settings,
    SidedEncoder,
    Stream,
    Tensors,
    Vectors,
    WideEncoder,
)


@dataclass(frozen=True)
class Family:
    """A kind of encoder: what it reads and how to make one.

    Another package publishes its own as an entry point of the group `photonlake.encoders`, named '<space>.<model>'.

    Attributes
    ----------
    space, model, modality : str
        As in `Encoder`.
    fit, restore : str
        'module:function', loaded only when needed: a `Fit` and a `Restore`.
    description : str
        One line for `embed status`.
    trained : bool
        False where there is nothing to learn from rows (sentence vectors): no rows are read to fit.
    latent : int
        The usual length of its vectors, where one may choose.
    """

    space: str
    model: str
    modality: str
    fit: str
    restore: str
    description: str
    trained: bool = True
    latent: int = 8


def _ours(
    space: str, model: str, modality: str, fit: str, description: str, *, trained: bool = True, latent: int = 8
) -> Family:
    """Return a family of the room `embed.encoders`, by its module and the function there that fits it."""
    restore = f"{fit.partition(':')[0]}:restore"
    return Family(
        space, model, modality, f"embed.encoders.{fit}", f"embed.encoders.{restore}", description, trained, latent
    )


_BUILT_IN = (
    _ours("spectrum", "transformer", "spectrum", "spectrum_autoencoder:fit",
          "autoencoder with attention over patches of the 400-point spectrum"),
    _ours("spectrum", "rnn", "spectrum", "spectrum_autoencoder:fit_rnn",
          "autoencoder with gated recurrent units over patches of the 400-point spectrum"),
    _ours("spectrum", "pca", "spectrum", "pca:fit", "principal components of the 400-point spectrum: the floor"),
    _ours("spectrum", "transformer-poisson", "spectrum_counts", "folded_spectra:fit",
          "the transformer, its flux folded through ARF and RMF and judged by the C-statistic of the counts"),
    _ours("spectrum", "vae", "binned_counts", "spectrum_vae:fit",
          "variational autoencoder of counts, background and response; its vectors have standard deviations", latent=6),
    _ours("events", "poisson", "events", "poisson_process:fit",
          "amortised Poisson-process autoencoder of the rate per time bin and energy band"),
    _ours("events", "map", "events", "photon_maps:fit", "autoencoder of the 24 x 16 energy-time map"),
    _ours("events", "summary", "events", "photon_statistics:fit",
          "summary statistics of arrival times and energies: the floor"),
    _ours("papers", "sentence", "papers", "sentences:fit",
          "sentence-transformers vectors of title and abstract", trained=False),
    _ours("properties", "standardised", "properties", "properties:fit",
          "standardised catalog columns with missing-value indicators"),
    _ours("aligned", "events", "events+papers", "aligned:fit_events",
          "event vectors and the papers about a source, in one space", latent=64),
    _ours("aligned", "spectrum", "spectrum+papers", "aligned:fit_spectrum",
          "spectrum vectors and the papers about a source, in one space", latent=64),
    _ours("aligned", "events-spectrum", "events-spectrum+papers", "aligned:fit_events_spectrum",
          "event and spectrum vectors, side by side, and the papers about a source", latent=64),
    _ours("aligned", "properties", "properties+papers", "aligned:fit_properties",
          "catalog properties and the papers about a source: the baseline", latent=64),
)  # fmt: skip
FAMILIES: dict[tuple[str, str], Family] = {(f.space, f.model): f for f in _BUILT_IN}
DEFAULT_MODEL = {
    "spectrum": "vae",
    "events": "poisson",
    "papers": "sentence",
    "properties": "standardised",
    "aligned": "events",
}
ENTRY_POINTS = "photonlake.encoders"


def family(space: str, model: str | None = None) -> Family:
    """Return a kind of encoder by space and model, built in or published by another package.

    Parameters
    ----------
    space : str
        'spectrum', 'events', 'papers', 'properties', or a space that an installed package adds.
    model : str, optional
        Default: the space's usual one.

    Raises
    ------
    UnknownName
        With the nearest names that exist.

    Examples
    --------
    >>> family("spectrum").model, family("spectrum", "pca").modality
    ('vae', 'spectrum')
    """
    published = {e.name: e for e in entry_points(group=ENTRY_POINTS)}
    spaces = sorted({s for s, _ in FAMILIES} | {n.partition(".")[0] for n in published})
    if space not in spaces:
        raise UnknownName(f"no embedding space {space!r}{suggestion(space, spaces)}; known: {', '.join(spaces)}")
    models = [m for s, m in FAMILIES if s == space]
    models += [n.partition(".")[2] for n in published if n.partition(".")[0] == space]
    chosen = model or DEFAULT_MODEL.get(space, models[0])
    if (space, chosen) in FAMILIES:
        return FAMILIES[space, chosen]
    if (entry := published.get(f"{space}.{chosen}")) is not None:
        return cast("Family", entry.load())
    raise UnknownName(
        f"space {space!r} has no model {chosen!r}{suggestion(chosen, models)}; known: {', '.join(models)}"
    )


def fit(space: str, model: str | None, stream: Stream, settings: Settings | None = None) -> Fitted:
    """Train an encoder from rows of its input's query.

    Parameters
    ----------
    space, model : str
        See `family`.
    stream : callable
        Starts the rows of ``INPUTS[family(space, model).modality].query(...)`` as Arrow tables. Rows may come in any
        order and in tables of any size: the result is the same.
    settings : Settings, optional
        Seed, latent, epochs, scratch folder, ...

    Raises
    ------
    NothingToTrainOn
        If no row can be prepared.
    UnknownName
        If there is no such space, model or option.
    """
    train = cast("Fit", _load(family(space, model).fit))
    return train(stream, settings or Settings())


def encode_rows(encoder: Encoder, rows: pa.Table) -> Encoded:
    """Encode rows of the encoder's input query.

    Parameters
    ----------
    encoder : Encoder
        Trained, or restored by `load`.
    rows : pyarrow.Table
        Any number of rows of ``INPUTS[encoder.modality].query(...)``.

    Returns
    -------
    Encoded
        Vectors of the rows that have one, and the reasons of those that have none.
    """
    prepared = INPUTS[encoder.modality].prepare(rows)
    sides = encoder.sides if isinstance(encoder, SidedEncoder) else (encoder.modality,)
    if not prepared.ids:
        return Encoded([], [], [], np.empty((0, encoder.dim), np.float32), prepared.skipped)
    widths: Vectors | None = None
    if isinstance(encoder, SidedEncoder):
        vectors = encoder.encode_sides(prepared.arrays)
    elif isinstance(encoder, WideEncoder):
        means, widths = encoder.encode_with_widths(prepared.arrays)
        vectors = means[:, None]
    else:
        vectors = encoder.encode(prepared.arrays)[:, None]
    finite = np.isfinite(vectors).all(axis=2)
    row, side = np.nonzero(finite)
    without = np.setdiff1d(np.arange(len(prepared.ids)), row).tolist()
    lost = {prepared.ids[i]: "the encoder gave a number that is not finite" for i in without}
    return Encoded(
        [prepared.ids[i] for i in row],
        [prepared.names[i] for i in row],
        [sides[i] for i in side],
        np.ascontiguousarray(vectors[finite], dtype=np.float32),
        prepared.skipped | lost,
        None if widths is None else np.ascontiguousarray(widths[row], dtype=np.float32),
    )


def save(encoder: Encoder, models_dir: Path, provenance: Configuration | None = None) -> Path:
    """Write weights and configuration, named by their content; nothing happens where they are there already.

    Parameters
    ----------
    encoder : Encoder
        Trained.
    models_dir : Path
        The store's `models/`; made if absent.
    provenance : dict, optional
        What a reader of the JSON should know: snapshot, seed, selection. It is not part of the content hash.

    Returns
    -------
    Path
        `<sha256>.safetensors`; the stem is meta.encoder.weights_sha256. `<sha256>.json` lies beside it.
    """
    from safetensors.numpy import save as to_bytes  # noqa: PLC0415 - only those who write weights need it

    configuration = described(encoder)
    text = json.dumps(configuration, sort_keys=True, allow_nan=False)
    tensors = {k: np.ascontiguousarray(v) for k, v in sorted(encoder.state().items())}
    weights = to_bytes(tensors, metadata={"photonlake": text})
    digest = hashlib.sha256(weights).hexdigest()
    models_dir.mkdir(parents=True, exist_ok=True)
    path = models_dir / f"{digest}.safetensors"
    document = {"configuration": configuration, "weights_sha256": digest, "provenance": provenance or {}}
    # The weights last: whoever sees them finds their configuration.
    write_whole(path.with_suffix(".json"), json.dumps(document, sort_keys=True, indent=1).encode())
    if not path.exists():
        write_whole(path, weights)
    return path


def load(path: Path) -> Encoder:
    """Restore an encoder from its weights file.

    Parameters
    ----------
    path : Path
        `<models>/<sha256>.safetensors`.

    Raises
    ------
    BrokenWeights
        If the content is not what the file's name says, or no encoder of this program.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - only those who read weights need it
    from safetensors.numpy import load as from_bytes  # noqa: PLC0415

    weights = path.read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != path.stem:
        raise BrokenWeights(
            f"{path.name}: expected content with that hash, found {digest[:16]}...; "
            "the file was changed or cut short: train again, or copy it from a backup"
        )
    try:
        n_header = int.from_bytes(weights[:8], "little")
        metadata = json.loads(weights[8 : 8 + n_header])["__metadata__"]
        configuration = cast("Configuration", json.loads(metadata["photonlake"]))
        tensors = cast("Tensors", from_bytes(weights))
        kind = family(str(configuration["space"]), str(configuration["model"]))
        return cast("Restore", _load(kind.restore))(configuration, tensors)
    except PhotonlakeError:
        raise
    except (
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        found = (str(error) or type(error).__name__).splitlines()[0]
        raise BrokenWeights(f"{path.name}: expected the weights of an encoder, found {found}") from error


def described(encoder: Encoder) -> Configuration:
    """Return an encoder's configuration with its identity: meta.encoder.configuration."""
    identity: Configuration = {
        "space": encoder.space,
        "model": encoder.model,
        "modality": encoder.modality,
        "dim": encoder.dim,
    }
    return encoder.configuration() | identity


def encoder_id(space: str, model: str, weights_sha256: str) -> str:
    """Return the key of meta.encoder.

    Examples
    --------
    >>> encoder_id("spectrum", "pca", "0123456789abcdef")
    'spectrum-pca-0123456789ab'
    """
    return f"{space}-{model}-{weights_sha256[:12]}"


def _load(reference: str) -> object:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


__all__ = [
    "DEFAULT_MODEL", "ENTRY_POINTS", "FAMILIES", "BrokenWeights", "Configuration", "Encoded", "Encoder", "Family",
    "Fit", "Fitted", "Json", "NothingToTrainOn", "Progress", "Restore", "Settings", "SidedEncoder", "Stream",
    "Tensors", "Vectors", "WideEncoder", "described", "encode_rows", "encoder_id", "family", "fit", "load", "save",
]  # fmt: skip
