"""The example scripts run as a newcomer types them, and say what they are there to say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from factories.simulated import python

import catalog

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = ("vector_search", "one_query", "topcat_round_trip", "my_spectrum", "graph_with_networkx", "open_with_lancedb")
_ROW = re.compile(r"^ *(\d+) +(\S+\.\d+\.\d+) +(2CXO \S+) +([\d.]+)$", re.MULTILINE)


def example(name, *arguments, cwd):
    return python(EXAMPLES / f"{name}.py", *arguments, cwd=cwd).stdout


def asked(store, query, **parameters):
    with catalog.open(store) as cat:
        return cat.sql(query, **parameters).fetchall()


def test_vector_search_takes_a_detection_a_vector_and_words(beside_small_survey):
    ((bibcode, abstract),) = asked(
        beside_small_survey / "s", "SELECT bibcode, abstract FROM lit.paper ORDER BY len(abstract) DESC LIMIT 1"
    )
    said = example("vector_search", "s", abstract, cwd=beside_small_survey)
    with catalog.open(beside_small_survey / "s") as cat:
        ids, vectors = cat.vectors("spectrum")
    assert f"s has {len(ids)} spectra as vectors of 8 numbers." in said
    like_one, between = (_ROW.findall(part) for part in said.split("\nBetween "))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = 1 - unit @ unit[0]
    assert [row[1] for row in like_one] == [ids[i] for i in np.argsort(distance)[1:6]]
    assert float(like_one[0][3]) == pytest.approx(np.sort(distance)[1], abs=1e-4)
    assert len(between) == 5
    (words,) = (part for part in said.split("\n\n") if part.startswith("Papers nearest"))
    found = re.findall(r"^(\d)  (\d\.\d{3})  (\d{4}\S{15})  \S", words, re.MULTILINE)
    assert [rank for rank, *_ in found] == list("12345")
    assert found[0][2] == bibcode  # an abstract's own words lead to it


def test_one_query_brings_sky_photons_vectors_and_papers_together(beside_small_survey):
    store = beside_small_survey / "s"
    ((name, n_photons, n_papers),) = asked(
        store,
        """
        SELECT m.name, count(*), any_value(p.n_papers) FROM csc.master_source AS m
        JOIN product.detection_event AS e USING (name) JOIN lit.source_paper AS p USING (name)
        WHERE e.in_source_region AND m.name IN (SELECT name FROM embedding.spectrum)
        GROUP BY m.name ORDER BY count(*) DESC LIMIT 1
        """,
    )
    said = example("one_query", "s", name, cwd=beside_small_survey)
    (first,) = (line for line in said.splitlines() if line.startswith(name))
    arcsec, photons, energy, distance = first.removeprefix(name).split()[:4]
    assert (float(arcsec), int(photons), float(distance)) == (0, n_photons, 0)
    assert 500 < float(energy) < 8000
    assert f" {n_papers} " in first
    assert re.search(r"\barcsec +eV\b", said)  # the columns know their units
    assert "Around 2CXO J" in example("one_query", "s", cwd=beside_small_survey)


@pytest.mark.slow
def test_a_column_made_in_topcat_comes_back(beside_small_survey):
    here = beside_small_survey
    said = example("topcat_round_trip", "s", "sources.vot", cwd=here)
    assert re.search(r"^ra +deg +pos\.eq\.ra", said, re.MULTILINE)
    before = asked(here / "s", "SELECT name, ra, dec, significance FROM csc.master_source ORDER BY name")
    types = asked(here / "s", "SELECT * FROM csc.object_type ORDER BY ALL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The unit 'erg' has been deprecated", u.UnitsWarning)
        table = Table.read(here / "sources.vot")
        assert (len(table), table["flux_aper_b"].unit) == (len(before), u.erg / u.s / u.cm**2)
        table["by_eye"] = [f"flare {i}" if i < 3 else "" for i in range(len(table))]
        table.write(here / "mine.vot", format="votable")
    said = example("topcat_round_trip", "s", "mine.vot", "by_eye", cwd=here)
    for i in range(3):
        assert re.search(rf"{re.escape(table['name'][i])} .*flare {i}$", said, re.MULTILINE)
    after = asked(here / "s", "SELECT name, ra, dec, significance FROM csc.master_source ORDER BY name")
    assert after == before  # what the catalog says is as it was
    assert asked(here / "s", "SELECT * FROM csc.object_type ORDER BY ALL") == types


def test_a_spectrum_of_ones_own_finds_its_like(beside_small_survey):
    here = beside_small_survey
    ((path, id_),) = asked(
        here / "s",
        """
        SELECT f.path, e.id FROM embedding.spectrum AS e JOIN product.spectrum AS s ON s.detection_id = e.id
        JOIN meta.file AS f USING (file_id) ORDER BY e.id LIMIT 1
        """,
    )
    own = here / "own"
    shutil.copytree(Path(path).parent, own)
    spectrum = (own / Path(path).name).rename(own / "my_source.pi")
    said = example("my_spectrum", "s", spectrum, cwd=here)
    first = re.search(r"^ +1 +(\S+) +(\S+) ", said, re.MULTILINE)
    assert (float(first[1]), first[2]) == (0, id_)  # the store has the same spectrum under its own name
    assert "What SIMBAD says these are: " in said
    with pytest.raises(AssertionError, match=r"error: README\.txt: expected a data product"):
        example("my_spectrum", "s", here / "survey" / "README.txt", cwd=here)


@pytest.mark.slow
def test_a_graph_comes_to_networkx_and_goes_on_as_a_file(beside_small_survey):
    here = beside_small_survey
    asked_ = ("--spaces", "spectrum", "--threshold", "0.5,0.8", "--where", "", "--null", "0", "--store", "s")
    python("-m", "analysis", "network", *asked_, cwd=here)
    said = example("graph_with_networkx", "s", "network.graphml", cwd=here)
    n_nodes = len(nx.read_graphml(here / "network.graphml"))
    assert f"edges from 0.5 on: Graph with {n_nodes} nodes" in said
    assert f"agree for {n_nodes} of {n_nodes} nodes" in said


def test_the_vectors_of_a_store_open_in_lancedb(beside_small_survey):
    here = beside_small_survey
    said = example("open_with_lancedb", "s", cwd=here)
    for space, n in asked(here / "s", "SELECT space, n_vectors FROM meta.space"):
        line = next(line for line in said.splitlines() if line.startswith(f"{space}: {n:,} vectors; nearest to "))
        first, found = line.partition("nearest to ")[2].split(": ")
        assert first in found.split(", ")


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_says_how_to_type_it(name):
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f".venv/bin/python examples/{name}.py demo/store" in done.stderr
