"""Parallel map: order kept, taken lazily, a dead worker costs one item."""

from __future__ import annotations

import os
import signal
import time

import pytest

from catalog.parallel import WorkerDied, map_ordered


def slow_square(n):
    time.sleep(0.02 * (n % 3))
    return n * n


def dies_on_three(n):
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def raises_on_two(n):
    if n == 2:
        raise ValueError("two")
    return n


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    assert list(map_ordered(slow_square, range(7), workers)) == [(n, n * n) for n in range(7)]


def test_items_are_taken_only_as_they_are_needed():
    taken = []

    def items():
        for n in range(50):
            taken.append(n)
            yield n

    results = map_ordered(slow_square, items(), workers=2, ahead=1)
    next(results)
    assert len(taken) <= 5
    results.close()


def test_a_worker_that_dies_costs_its_own_item_only():
    results = dict(map_ordered(dies_on_three, range(6), workers=2))
    assert isinstance(results.pop(3), WorkerDied)
    assert results == {n: n for n in range(6) if n != 3}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_of_the_function_is_raised_here(workers):
    with pytest.raises(ValueError, match="two"):
        list(map_ordered(raises_on_two, range(4), workers))
