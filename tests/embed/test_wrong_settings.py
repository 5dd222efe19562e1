"""A setting that cannot be is told in one line, before anything is trained."""

from __future__ import annotations

import pytest

from catalog.errors import QueryError, UnknownName
from embed.registry import Settings
from embed.store.training_job import Training, train
from embed.training.networks import chosen, device_of


def test_an_option_of_a_model_is_checked():
    with pytest.raises(QueryError, match="--set layers: expected a number as 2, found 'many'"):
        chosen({"layers": 2}, {"layers": "many"})
    with pytest.raises(UnknownName, match="no option 'layer'; did you mean layers"):
        chosen({"layers": 2}, {"layer": 3})


def test_a_device_is_checked():
    with pytest.raises(QueryError, match="--device must be auto, cpu or cuda, found 'tpu'"):
        device_of("tpu")


def test_a_misspelt_column_in_where_is_told_as_in_any_query(store):
    with pytest.raises(UnknownName, match=r"no column hard_hz in csc\.observation_source; did you mean hard_hs"):
        train(Training(store, "properties", None, "hard_hz > 1", Settings()))
    with pytest.raises(UnknownName, match=r"no column yaer in lit\.paper; did you mean year"):
        train(Training(store, "papers", None, "yaer > 2000", Settings()))
