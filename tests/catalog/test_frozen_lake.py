"""A frozen store: bare DuckDB attaches it over http, and where it lies, and reads the same rows."""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import re
import shutil
import threading
from pathlib import Path

import duckdb
import pytest

from catalog.catalog import Catalog
from catalog.errors import QueryError, UntrustedStore
from catalog.publish.frozen_lake import write_frozen
from catalog.store import engine


class Ranges(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder and pieces of them, as every web server does."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        file = self.server.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, asked = file.read_bytes(), re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        size = len(content)
        self.send_response(206 if asked else 200)
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            content = content[first : last + 1]
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    server.folder = folder
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


QUERIES = (
    "SELECT name, ra, dec, file_ids FROM csc.master_source ORDER BY name",
    "SELECT detection_id, energy_ev, pi FROM product.event ORDER BY time_s",
    "SELECT count(*) FROM cone(83.75, -5.4, 60)",
)


def test_any_duckdb_reads_the_same_rows_over_http(made_store, tmp_path):
    wheel = importlib.util.find_spec("duckdb_extension_httpfs")
    if wheel is None:
        pytest.skip("duckdb-extension-httpfs is not installed")
    httpfs = Path(wheel.origin).parent / f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"
    with served(tmp_path / "out") as url, contextlib.closing(engine.start(sqlite=False)) as bare:
        made = write_frozen(made_store, tmp_path / "out", f"{url}/")
        bare.execute(f"LOAD '{httpfs}'")
        bare.execute(made.attach)
        bare.execute("USE lake")
        with Catalog(made_store) as cat:
            for query in QUERIES:
                assert bare.execute(query).fetchall() == cat.sql(query).fetchall()
        with pytest.raises(duckdb.Error):
            bare.execute("DELETE FROM csc.master_source")


def test_it_opens_where_it_lies_and_is_written_again(made_store, tmp_path):
    for _ in range(2):
        made = write_frozen(made_store, tmp_path / "out")
    with contextlib.closing(engine.start(sqlite=False)) as bare:
        bare.execute(made.attach)
        assert bare.execute("SELECT count(*) FROM lake.product.event").fetchall() == [(10,)]
    assert made.n_files == len(list((made_store / "lake").rglob("*.parquet")))
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(QueryError, match="found other files"):
        write_frozen(made_store, tmp_path / "out")
    with pytest.raises(QueryError, match="lies in the store"):
        write_frozen(made_store, made_store / "out")


@pytest.mark.parametrize("name", ["y.parquet", "folder", "csc/y.parquet"])
def test_what_a_link_in_a_store_leads_to_is_not_published(made_store, tmp_path, name):
    shutil.copytree(made_store, tmp_path / "s")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    link = tmp_path / "s" / "lake" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(secret if name == "folder" else secret / "key")
    with pytest.raises(UntrustedStore, match="found a link"):
        write_frozen(tmp_path / "s", tmp_path / "out")
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
