"""The simulated survey, served by the services on loopback, is in the store what it is as a folder of files."""

from __future__ import annotations

import contextlib
import gzip
import json

import pytest
from factories.survey import Survey

from catalog.store import lake
from catalog.store.manifest import Source
from ingest.refresh import refresh
from ingest.remote.answers import read_answer
from ingest.simulate import simulate

QUESTIONS = (
    "SELECT name, round(ra, 5), round(dec, 5) FROM csc.master_source ORDER BY 1",
    "SELECT detection_id, name, round(theta, 3) FROM csc.observation_source ORDER BY 1",
    "SELECT obsid, region_id, count(*), sum(time_s), sum(pi) FROM product.event GROUP BY ALL ORDER BY ALL",
    "SELECT detection_id, list_sum(counts), arf_id, rmf_id FROM product.spectrum ORDER BY 1",
    "SELECT detection_id, count(*) FROM product.light_curve GROUP BY ALL ORDER BY ALL",
    "SELECT bibcode, title FROM lit.paper ORDER BY 1",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated") / "survey"
    simulate(path, sources=6, seed=3, workers=1)
    return path


def as_survey(folder) -> Survey:
    """The folder as the services would know it."""
    survey = Survey()
    (table,) = (folder / "tables").glob("search_csc*.tsv")
    answer = read_answer(table)
    thetas = {}
    lines = [line.split("\t") for line in table.read_text().splitlines() if line and not line.startswith("#")]
    for row in (dict(zip(lines[0], line, strict=True)) for line in lines[1:]):
        thetas[int(row["obsid"]), int(row["obi"]), int(row["region_id"])] = float(row["theta"])
    for name, (ra, dec) in answer.names.items():
        survey.sources.append({"name": name, "ra": ra, "dec": dec})
    for d in answer.detections:
        survey.add_detection(d.name, d.obsid, d.region_id, obi=d.obi, instrument=d.instrument, theta=thetas[d[1:4]])
    for path in folder.glob("2CXO*/*/*_*3.fits*"):
        raw = path.read_bytes()
        survey.files[path.name.removesuffix(".gz")] = raw if path.suffix == ".gz" else gzip.compress(raw)
    for path in (folder / "papers").glob("*.json"):
        for record in json.loads(path.read_text())["response"]["docs"]:
            survey.papers[record["bibcode"]] = record
    return survey


@pytest.mark.slow
def test_fetched_and_local_are_the_same(serve, ingest, sql, folder, tmp_path):
    survey = as_survey(folder)
    assert len(survey.sources) == 6
    serve(survey)
    obsids = ",".join(str(o) for o in sorted({d["obsid"] for d in survey.detections}))
    outcome = ingest("csc", "--obsid", obsids, "--products", "regevt,pha,arf,rmf,lc")
    assert outcome.code == 0, outcome.text
    assert ingest("ads", "--query", "bibgroup:Chandra").code == 0
    local = tmp_path / "local"
    refresh(local, [Source("files", str(folder))], workers=1)
    with contextlib.closing(lake.connect(local)) as connection:
        for question in QUESTIONS:
            here = connection.execute(question).fetchall()
            assert here, question
            assert sql(question) == here, question
