"""Steps of a long study, kept on disk one by one: a run that was killed goes on after the last one that it finished.

Tables go as JSON, arrays as safetensors; nothing that is read back can run code. The folder belongs to one question of
one set of data (`analysis.study.runs.unfinished`), and is gone when the run is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from analysis.study.runs import Answer, Model, Record
from catalog.formats.whole_files import write_whole

Tensors = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Steps:
    """The finished steps of a run.

    Attributes
    ----------
    folder : Path
        Where they are kept; need not exist.
    say : callable
        Told of each step that is found and not made again.
    """

    folder: Path
    say: Callable[[str], None]

    def answer(self, name: str, make: Callable[[], Answer]) -> Answer:
        """Return the answer of a step: as it was kept, or made now and kept.

        Parameters
        ----------
        name : str
            Of the step, unique in its run.
        make : callable
            Gives tables as lists of records, and models; figures are of a whole run.
        """

        def made() -> tuple[object, Tensors]:
            found = make()
            if found.figures:
                raise ValueError(f"step {name}: figures belong to a whole run")
            return _document(found), _tensors(found.models)

        return _answer(*self._kept(name, made))

    def arrays(self, name: str, make: Callable[[], Tensors]) -> Tensors:
        """Return the arrays of a step: as they were kept, or made now and kept."""
        return self._kept(name, lambda: (None, make()))[1]

    def _kept(self, name: str, make: Callable[[], tuple[object, Tensors]]) -> tuple[object, Tensors]:
        path = self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.safetensors"
        if (known := _read(path)) is not None:
            self.say(f"{name}: kept from a run that was stopped")
            return known
        document, tensors = make()
        metadata = {"photonlake": json.dumps(document, default=_plain)}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, metadata=metadata))
        return json.loads(metadata["photonlake"]), tensors


def joined(answers: Sequence[Answer]) -> Answer:
    """Put the answers of steps together: the rows of each table one after the other.

    Examples
    --------
    >>> joined([Answer({"t": [{"a": 1}]}), Answer({"t": [{"a": 2}]})]).tables
    {'t': [{'a': 1}, {'a': 2}]}
    """
    tables: dict[str, list[Record]] = {}
    for answer in answers:
        for table, rows in answer.tables.items():
            tables.setdefault(table, []).extend(rows)
    return Answer(tables, models=[m for a in answers for m in a.models])


def _document(found: Answer) -> object:
    models = [[m.function, m.space, m.encoder_id, m.dim, m.configuration] for m in found.models]
    return {"tables": {t: list(rows) for t, rows in found.tables.items()}, "models": models}


def _tensors(models: Sequence[Model]) -> Tensors:
    return {f"{i}/{name}": tensor for i, m in enumerate(models) for name, tensor in m.tensors.items()}


def _answer(document: object, tensors: Tensors) -> Answer:
    if not isinstance(document, dict):
        raise TypeError("expected the answer of a step, found arrays")
    models = []
    for i, (function, space, encoder, dim, configuration) in enumerate(document["models"]):
        own = {k.removeprefix(f"{i}/"): v for k, v in tensors.items() if k.startswith(f"{i}/")}
        models.append(Model(function, space, encoder, dim, configuration, own))
    return Answer(document["tables"], models=models)


def _read(path: Path) -> tuple[object, Tensors] | None:
    """Read a step; None where there is none, or none that can be read: it is then made again."""
    try:
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return json.loads(header["__metadata__"]["photonlake"]), load(content)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected what JSON can say, found {type(value).__name__}")
