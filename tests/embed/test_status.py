"""A hint names the one next command that works."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest
from factories.store import write
from typer.testing import CliRunner

import catalog
import embed.__main__
from catalog.errors import UnknownName
from embed.store.status import next_step

ROWS = [
    {"detection_id": f"{i}.0.1", "obsid": i, "obi": 0, "region_id": 1, "name": f"source {i}", "hard_hs": (i % 7) / 10}
    for i in range(60)
]


@pytest.fixture(scope="module")
def spaced(empty_store, tmp_path_factory):
    """A store in a folder with a blank in its name, with catalog rows and a paper."""
    store = shutil.copytree(empty_store, tmp_path_factory.mktemp("a name") / "my store")
    write(store, "csc.observation_source", *ROWS)
    write(store, "lit.paper", {"bibcode": "2001ApJ...1A", "title": "On X-rays"})
    return store


def hint_of(store, space, **options):
    with catalog.open(store) as cat, pytest.raises(UnknownName) as caught:
        cat.nearest(space, "1.0.1", **options)
    return str(caught.value)


def test_a_hint_leads_to_vectors(spaced):
    hint = hint_of(spaced, "properties")
    typed = shlex.split(re.search(r"type: python -m embed (.*)", hint)[1])
    assert typed == ["run", "properties", "--store", str(spaced)]  # it is scaled to the rows by itself
    done = CliRunner().invoke(embed.__main__.app, typed)
    assert done.exit_code == 0, done.output
    with catalog.open(spaced) as cat:
        assert len(cat.nearest("properties", "1.0.1")) == 10
    assert "has no vectors in snapshot 2; ask the newest" in hint_of(spaced, "properties", snapshot=2)


def test_what_needs_no_training_is_run_alone(spaced):
    assert re.search("type: python -m embed run papers --store", hint_of(spaced, "papers"))


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("spectrum", "the store holds nothing that they are made from; type: python -m ingest files FOLDER"),
        ("aligned", r"type: python -m embed \w+ \w+ --store .*, and later python -m embed train aligned"),
        ("spectrm", "no embedding space 'spectrm'"),
    ],
)
def test_the_hint_fits_what_the_store_holds(spaced, space, says):
    assert re.search(says, hint_of(spaced, space))


def test_an_alignment_takes_the_side_that_the_store_holds():
    def ask(query):
        held = "csc.observation_source" in query or "lit.paper)" in query
        return [("properties",), ("papers",)] if "meta.space" in query else [(1,)] if held else []

    ready = next_step(lambda q: [(1,)] if "meta.embedded" in q else ask(q), "s", "aligned")
    assert ready.endswith("type: python -m embed train aligned --data properties --store s")
