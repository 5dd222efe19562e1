"""What makes the join quick gives the same bits as what is plain."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.neighbours.closeness import Vectors, squares, values
from catalog.neighbours.operands import Room


@pytest.mark.parametrize("share", [0, 0.001, 0.05, 0.4, 1])
@pytest.mark.parametrize("shape", [(1, 1), (3, 21), (1, 64), (5, 13), (64, 65), (97, 211)])
def test_products_that_reach_a_floor_are_all_found_and_in_order(shape, share):
    products = np.random.default_rng(0).random(shape).astype(np.float32)
    rows, columns = Room().reached(products, np.float32(1 - share))
    assert [*zip(rows, columns, strict=True)] == [*zip(*np.nonzero(products >= np.float32(1 - share)), strict=True)]


def test_cosines_of_known_lengths_are_the_same_bits():
    x = np.random.default_rng(1).normal(size=(300, 37)).astype(np.float32)
    x[7] = 0
    i, j = np.random.default_rng(2).integers(0, 300, (2, 5000))
    known = squares(x)
    found = values(x[i], x[j], "cosine", (known[i], known[j]))
    np.testing.assert_array_equal(found, values(x[i], x[j], "cosine"))
    assert np.nanmax(values(x, x, "cosine", (known, known))) == np.nanmin(values(x, x, "cosine", (known, known))) == 1


@pytest.mark.parametrize("scale", [1e-40, 1.0, 1e30])
def test_a_part_knows_of_its_lengths_what_the_whole_knows(scale):
    whole = Vectors((np.random.default_rng(3).normal(size=(50, 4)) * scale).astype(np.float32))
    rows = np.array([3, 3, 49, 0])
    part, alone = whole.take(rows), Vectors(whole.array[rows])
    np.testing.assert_array_equal(part.squares, alone.squares)
    if whole.safe:
        assert part.safe
        np.testing.assert_array_equal(part.inverse_lengths, alone.inverse_lengths)
