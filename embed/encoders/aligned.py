"""The encoder of the aligned space: fit, restore, and vectors of data, of text, and of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pyarrow as pa
import torch

from catalog.errors import QueryError
from embed.encoders import sentences
from embed.encoders.alignment import Alignment
from embed.inputs.pairs import modality as modality_of
from embed.inputs.papers import beside, plain
from embed.inputs.pooling import POOLINGS
from embed.inputs.prepared import Arrays
from embed.inputs.quantities import without_exposures
from embed.registry import BrokenWeights, Configuration, Fitted, NothingToTrainOn, Settings, Stream, Tensors, Vectors
from embed.training.loop import train
from embed.training.networks import chosen, device_of
from embed.training.split import APART, APART_SHARE, fields, set_apart, tested
from embed.training.spool import Rows, Sorted, collected

DEFAULTS: Configuration = {
    "gamma": 0.1,
    "pooling": "mean",
    "split": "source",
    "test_share": APART_SHARE,
    "width": 256,
    "dropout": 0.5,
    APART: False,
}
"""gamma: weight of L_reg. pooling: how a source's papers become one vector. split: what is kept apart, 'source' or
'field'. test_share: sources set aside from training and validation, for retrieval and regression to be scored on.
apart: only where no encoder of the data side has seen the photons of these sources."""
LATENT = 64
SIDES = ("data", "text", "both")
BATCH_ROWS = 256  # every other row of a batch is a negative: few are too easy
_ENCODE_ROWS = 4096


@dataclass(frozen=True)
class AlignedEncoder:
    """Projects data vectors and text vectors into one space; a `SidedEncoder`.

    Attributes
    ----------
    model, modality : str
        What stands on the data side.
    options : dict
        What the network was built from; `learned_from`: the encoder of each space it learned from; `text_encoder`: the
        configuration of that of words; `held_out_sources`: sources that took no part in the training.
    network : Alignment
    """

    model: str
    modality: str
    options: Configuration
    network: Alignment
    space: str = "aligned"

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return len(self.network.centre)

    @property
    def sides(self) -> tuple[str, ...]:
        """Data, text, and the mean of what there is of them."""
        return SIDES

    @property
    def learned_from(self) -> dict[str, str]:
        """Space -> encoder whose vectors this one can read, and no others."""
        return cast("dict[str, str]", self.options["learned_from"])

    def encode(self, arrays: Arrays) -> Vectors:
        """Return the vectors of both sides together, n rows -> (n, dim)."""
        return self.encode_sides(arrays)[:, SIDES.index("both")]

    def encode_sides(self, arrays: Arrays) -> Vectors:
        """Return the vectors of each side, n rows -> (n, 3, dim), of unit length; NaN for text where there is none."""
        n = len(arrays["data"])
        out = np.full((n, len(SIDES), self.dim), np.nan, np.float32)
        has_text = np.asarray(arrays["has_text"], np.bool_)
        for i in range(0, n, _ENCODE_ROWS):
            rows = slice(i, i + _ENCODE_ROWS)
            data, text = self._project(arrays["data"][rows], arrays["text"][rows])
            both = np.where(has_text[rows, None], data + text, data)
            lengths = np.linalg.norm(both, axis=1, keepdims=True)
            out[rows, 0] = data
            out[rows, 1] = np.where(has_text[rows, None], text, np.nan)
            out[rows, 2] = np.divide(both, lengths, out=data.copy(), where=lengths > 0)
        return out

    def encode_texts(self, texts: list[str]) -> Vectors:
        """Project a user's own words, (n, dim)."""
        reader = sentences.restore(cast("Configuration", self.options["text_encoder"]), {})
        words = beside(reader.encode_texts([without_exposures(plain(t)) for t in texts]), texts)
        with torch.inference_mode():
            projected = self.network.text(torch.from_numpy(words).to(self.network.centre.device))
        return np.asarray(projected.float().cpu().numpy(), np.float32)

    def _project(self, data: np.ndarray, text: np.ndarray) -> tuple[Vectors, Vectors]:
        device = self.network.centre.device
        with torch.inference_mode():
            parts = {"data": torch.from_numpy(np.asarray(data)), "text": torch.from_numpy(np.asarray(text))}
            left, right = self.network.sides({k: v.to(device) for k, v in parts.items()})
        return left.float().cpu().numpy(), right.float().cpu().numpy()

    def configuration(self) -> Configuration:
        """Return what the network is built from, and what it learned from."""
        return dict(self.options)

    def state(self) -> Tensors:
        """Return the weights."""
        return {k: v.cpu().numpy() for k, v in self.network.state_dict().items()}


def fit_events(stream: Stream, settings: Settings) -> Fitted:
    """Align event vectors with papers."""
    return _fit("events", stream, settings)


def fit_spectrum(stream: Stream, settings: Settings) -> Fitted:
    """Align spectrum vectors with papers."""
    return _fit("spectrum", stream, settings)


def fit_properties(stream: Stream, settings: Settings) -> Fitted:
    """Align catalog properties with papers: the baseline."""
    return _fit("properties", stream, settings)


def fit_events_spectrum(stream: Stream, settings: Settings) -> Fitted:
    """Align event and spectrum vectors, side by side, with papers."""
    return _fit("events-spectrum", stream, settings)


def restore(configuration: Configuration, tensors: Tensors) -> AlignedEncoder:
    """Build the network from its configuration and give it its weights.

    Raises
    ------
    BrokenWeights
        If they are those of another network.
    """
    network = _network(configuration)
    try:
        network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})
    except RuntimeError as error:
        raise BrokenWeights(
            "expected the weights of this version's aligned encoder, found those of an earlier one: "
            "train it again: python -m embed train aligned"
        ) from error
    network.to(device_of("auto")).eval()
    options = {k: v for k, v in configuration.items() if k not in {"space", "model", "modality", "dim"}}
    return AlignedEncoder(str(configuration["model"]), str(configuration["modality"]), options, network)


def _fit(model: str, stream: Stream, settings: Settings) -> Fitted:
    options = chosen(DEFAULTS, settings.options)
    for name, known in (("pooling", POOLINGS), ("split", ("source", "field"))):
        if options[name] not in known:
            raise QueryError(f"{name} must be one of {', '.join(known)}, found {options[name]!r}")
    if options[APART] and (options["split"] != "source" or float(str(options["test_share"])) > APART_SHARE):
        raise QueryError(f"apart goes with split=source and a test_share of {APART_SHARE:g} at most")
    origin: Configuration = {}

    def pairs() -> Iterator[pa.Table]:
        """Leave out rows without papers: there is nothing to align them with."""
        for table in stream():
            if table.num_rows and not origin:
                if options[APART]:
                    _check_apart(dict(table["seen"][0].as_py()), settings.seed)
                origin["learned_from"] = dict(table["learned_from"][0].as_py())
                origin["text_encoder"] = json.loads(table["text_configuration"][0].as_py())
            yield table.filter(table["papers"].is_valid())

    kind = modality_of(model)
    with collected(kind, pairs, settings) as rows:
        origin = origin or json.loads((rows.folder / _ORIGIN).read_text())
        (rows.folder / _ORIGIN).write_text(json.dumps(origin))
        groups = fields(rows.ids, rows.sources) if options["split"] == "field" else rows.sources
        test = tested(groups, float(str(options["test_share"])), settings.seed)
        kept = _some(rows, ~test, groups)
        names = [s for s, t in zip(rows.sources, test, strict=True) if not t]
        if options[APART] and not all(set_apart(s, settings.seed) for s in {*rows.sources} - {*names}):
            raise NothingToTrainOn("apart: there are too few sources with papers to set some of them apart")
        if kept.n < 2:  # noqa: PLR2004 - a pair needs another one
            raise NothingToTrainOn(
                f"expected at least two detections with vectors and papers, found {kept.n}; "
                "bring in papers about them: python -m ingest ads"
            )
        options |= {
            "latent": settings.latent,
            "data_dim": rows.arrays["data"].stored.shape[1],
            "text_dim": rows.arrays["text"].stored.shape[2],
        }
        torch.manual_seed(settings.seed)
        network = _network(options)
        trained = train(network, kept, replace(settings, batch_rows=max(settings.batch_rows, BATCH_ROWS)), options)
        held = sorted({s for s, t in zip(rows.sources, test, strict=True) if t})
        skipped = rows.skipped
    network.eval()
    encoder = AlignedEncoder(model, kind, options | origin | {"held_out_sources": [*held]}, network)
    return Fitted(
        encoder,
        trained.loss_curve,
        trained.validation_error,
        network.error_name,
        int(trained.training.sum()),
        len({s for s, t in zip(names, trained.training, strict=True) if t}),
        len(trained.loss_curve),
        skipped,
    )


def _check_apart(seen: dict[str, str], seed: int) -> None:
    """Refuse encoders that have seen the photons of the sources to be judged on.

    Raises
    ------
    QueryError
        The message says how such an encoder is trained, or that the ready-made one is none.
    """
    for space, what in seen.items():
        if what not in {"nothing of this store", f"all but those of seed {seed}"}:
            raise QueryError(
                f"apart: expected an encoder of {space} that has not seen the sources to be judged on, "
                f"found one that has seen {what}; type: python -m embed train {space} --set apart=true --seed {seed} "
                f"(or --ready-made), then python -m embed run {space}"
            )


_ORIGIN = "origin.json"


def _network(options: Configuration) -> Alignment:
    data_dim, text_dim, latent, width = (int(str(options[k])) for k in ("data_dim", "text_dim", "latent", "width"))
    dropout, gamma = (float(str(options[k])) for k in ("dropout", "gamma"))
    return Alignment(data_dim, text_dim, latent, width, dropout, gamma, POOLINGS.index(str(options["pooling"])))


def _some(rows: Rows, mask: np.ndarray, groups: list[str]) -> Rows:
    """Return some of the rows, split by other groups than their sources."""
    chosen_ = np.flatnonzero(mask)
    arrays = {k: Sorted(v.stored, v.order[chosen_]) for k, v in rows.arrays.items()}
    return Rows([rows.ids[i] for i in chosen_], [groups[i] for i in chosen_], arrays, rows.skipped, rows.folder)
