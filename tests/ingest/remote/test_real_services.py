"""The real services, for a user who has them: `pytest -m network tests/ingest/remote/test_real_services.py`."""

from __future__ import annotations

import pytest

from ingest.remote.ads import AdsReport, Searcher, find_token
from ingest.remote.cones import resolve
from ingest.remote.csc import fetch
from ingest.remote.errors import TokenRefused
from ingest.remote.http import Client
from ingest.remote.selection import Selection
from ingest.remote.tables import fetch_tables

pytestmark = pytest.mark.network

M82_X1 = "2CXO J095550.1+694046"


def test_sesame_knows_m82():
    assert resolve("M 82") == pytest.approx((148.968, 69.680), abs=0.01)


@pytest.mark.parametrize("service", ["tap", "csccli"])
def test_a_cone_of_both_services(tmp_path, service):
    with Client() as client:
        selection = Selection(cone=(148.9591, 69.6795, 0.2), service=service, unique=False)
        answer, _ = fetch_tables(client, selection, tmp_path)
    assert M82_X1 in answer.names
    assert answer.detections


def test_both_services_agree(tmp_path):
    found = {}
    with Client() as client:
        for service in ("tap", "csccli"):
            selection = Selection(obsids=(10542,), where="flux_significance_b > 5", service=service)
            answer, _ = fetch_tables(client, selection, tmp_path / service)
            found[service] = {d[:4] for d in answer.detections}
    assert found["tap"] == found["csccli"] != set()


def test_products_arrive_verified(tmp_path):
    with Client() as client:
        selection = Selection(names=(M82_X1,), obsids=(10542,), products=("pha", "arf", "rmf"), unique=False)
        report = fetch(client, tmp_path / "s", selection)
    assert report.complete, report.error
    assert len(report.fetched.files) == 3


def test_ads_counts():
    try:
        token = find_token()
    except TokenRefused:
        pytest.skip("no ADS token")
    with Client(token=token) as client:
        assert Searcher(client, AdsReport()).count('object:"M 82"') > 1000
