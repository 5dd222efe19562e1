"""A server of the services on loopback, photonlake pointed at it, and its commands run in this process."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass

import pytest
from factories.server import Server
from factories.survey import small_survey
from typer.testing import CliRunner

from catalog.errors import PhotonlakeError
from catalog.store import lake
from ingest.__main__ import app


@dataclass
class Outcome:
    """What a command did."""

    code: int
    text: str
    error: PhotonlakeError | None


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Start the services for a survey; environment and home are theirs."""
    with contextlib.ExitStack() as stack:

        def start(survey=None, **options) -> Server:
            server = stack.enter_context(Server(small_survey() if survey is None else survey, **options))
            for key, value in server.environment.items():
                monkeypatch.setenv(key, value)
            monkeypatch.setenv("HOME", str(tmp_path))
            return server

        yield start


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """Made once: making a store takes longer than most of what is tested here."""
    path = tmp_path_factory.mktemp("made") / "s"
    lake.create(path)
    return path


@pytest.fixture
def store(tmp_path, empty_store):
    return shutil.copytree(empty_store, tmp_path / "s")


@pytest.fixture
def ingest(store):
    """Run `python -m ingest ...` on the store."""

    def run(*arguments: str) -> Outcome:
        result = CliRunner().invoke(app, [*arguments, "--store", str(store)])
        error = result.exception
        if error is not None and not isinstance(error, SystemExit | PhotonlakeError):
            raise error
        text = " ".join(result.output.split())
        return Outcome(result.exit_code, text, error if isinstance(error, PhotonlakeError) else None)

    return run


@pytest.fixture
def sql(store):
    """Ask the store."""

    def ask(query: str) -> list[tuple]:
        with contextlib.closing(lake.connect(store)) as connection:
            return connection.execute(query).fetchall()

    return ask
