"""`catalog browse` on 100,000 vectors, in Chromium: first paint, clicks and refusals against what we aim at.

A simulated survey gives the clicked detections their photons, spectra and papers; the rest are detections with vectors.
Needs `pip install photonlake[browser]` and a Chromium ($CHROMIUM, else the one on the path).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catalog.catalog import Catalog
from catalog.store import lake, vectors
from catalog.store.manifest import Source
from catalog.store.vectors import Pin
from ingest.refresh import refresh
from ingest.simulate import simulate

if TYPE_CHECKING:
    from playwright.sync_api import Page

N, DIM = int(os.environ.get("PHOTONLAKE_BENCH_VECTORS", "100000")), 64
SOURCES, CLICKS = 150, 12
PAINT_S, CLICK_S, REFUSAL_S, TIMEOUT_S, LASSO_S = 2.0, 0.3, 0.3, 10.0, 1.0
SPACE, FIRST_OBSID = "spectrum", 1_000_000
PAINTED = "document.getElementById('said').textContent.includes('vectors') && photonlake.maps[0].colours"
# Catalog, spectrum, light curve, neighbours, papers and other detections; of a source with photons all have something.
ANSWERED = """id => document.querySelector('#detail h2')?.textContent === id
  && document.querySelectorAll('#detail section').length === 7
  && document.querySelectorAll('#detail svg').length === 2
  && [...document.querySelectorAll('#detail section')].slice(0, 6).every(s => s.lastChild.childElementCount)"""
AIMS_S = 1.0  # a person looks at the map, and aims, before the first click
# So near that no other point lies under it.
PLACE = """id => { const { maps: [map], state } = photonlake, i = state.ids.places.get(id);
  map.lookAt({ x: map.x[i], y: map.y[i], zoom: 500 }); }"""
SELECTED = "/selected of/.test(document.querySelector('#detail h2')?.textContent)"
REFUSED = {
    "writes": "DELETE FROM lit.paper",
    "reads a file": "SELECT * FROM read_csv('/etc/passwd')",
    "reads a file by its name": "SELECT * FROM '/etc/passwd'",
    "runs long": "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
}


def fill(store: Path, survey: Path) -> list[str]:
    """Make the store; return the detections that have photons and a spectrum."""
    simulate(survey, sources=SOURCES, seed=1)
    refresh(store, [Source("files", str(survey))])
    with Catalog(store) as cat:
        found = cat.sql(
            "SELECT DISTINCT detection_id, o.name FROM product.spectrum AS s "
            "JOIN csc.observation_source AS o USING (detection_id) "
            "WHERE detection_id IN (SELECT detection_id FROM product.header WHERE kind = 'events') ORDER BY ALL"
        ).fetchall()
    ids, names = [str(i) for i, _ in found], [str(n) for _, n in found]
    more = N - len(ids)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(200, DIM))[rng.integers(0, 200, N)] + 0.7 * rng.normal(size=(N, DIM))).astype(np.float32)
    all_ids = ids + [f"{FIRST_OBSID + i}.0.1" for i in range(more)]
    all_names: list[str | None] = [*names, *(f"bench {i}" for i in range(more))]
    rows = vectors.rows(all_ids, all_names, x, [SPACE] * N, "bench", [""] * N)
    with lake.lock(store, "bench"), contextlib.closing(lake.connect(store, read_only=False)) as connection:
        written = vectors.write(store, SPACE, rows, None)
        with lake.transaction(connection, "bench"):
            connection.execute(
                "INSERT INTO lake.csc.observation_source BY NAME "
                f"SELECT {FIRST_OBSID} + i || '.0.1' AS detection_id, 'bench ' || i AS name, "
                f"({FIRST_OBSID} + i)::INTEGER AS obsid, 0 AS obi, 1 AS region_id, sin(i) AS hard_hs "
                f"FROM range({more}) AS t(i)"
            )
            vectors.publish(connection, Pin(SPACE, written.version, "bench", N, DIM))
    return ids


@contextlib.contextmanager
def served(store: Path) -> Iterator[str]:
    """Start the page in a process of its own; give its address."""
    command = [sys.executable, "-m", "catalog", "browse", "--no-open", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield re.findall(r"http://\S+", line)[0]
        finally:
            process.terminate()


def paint(page: Page, url: str) -> float:
    """Open the page; return the seconds until its map is drawn, with colours."""
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_function(PAINTED, timeout=60_000)
    return time.perf_counter() - start


def click(page: Page, id_: str) -> float:
    """Click on the point of a detection; return the seconds until all of it is shown, both charts drawn."""
    page.evaluate(PLACE, id_)
    page.wait_for_timeout(200)
    box = page.locator("#points0").bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
    start = time.perf_counter()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function(ANSWERED, arg=id_, timeout=60_000)
    return time.perf_counter() - start


def lasso(page: Page) -> float:
    """Draw a lasso about the middle of the map; return the seconds until it says how many it holds."""
    page.evaluate("photonlake.maps[0].fit(false)")
    page.check("input[value=lasso]")
    box = page.locator("#points0").bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    r, turns = min(box["width"], box["height"]) / 8, np.linspace(0, 2 * np.pi, 40)
    page.mouse.move(x + r, y)
    page.mouse.down()
    for turn in turns:
        page.mouse.move(x + r * np.cos(turn), y + r * np.sin(turn))
    start = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(SELECTED, timeout=60_000)
    seconds = time.perf_counter() - start
    print(f"    {page.locator('#detail h2').inner_text()}")
    page.check("input[value=pan]")
    return seconds


def refusal(page: Page, query: str) -> tuple[float, str]:
    """Type a query that is to be refused; return the seconds, and the reason that is shown."""
    page.fill("#query", query)
    start = time.perf_counter()
    page.click("#sql button")
    page.wait_for_selector("#answer .error", timeout=60_000)
    seconds = time.perf_counter() - start
    said = page.locator("#answer .error").inner_text()
    page.evaluate("document.getElementById('answer').replaceChildren()")
    return seconds, said


def show(what: str, seconds: float, aim: float) -> None:
    """Print a line: measured, the aim, their ratio."""
    print(f"  {what}: {1e3 * seconds:,.0f} ms; aim {1e3 * aim:,.0f} ms ({seconds / aim:.2f} of it)")


def measure(store: Path, ids: list[str]) -> None:
    """Open the page, click, and type what is to be refused; print each time beside its aim."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=chromium, args=arguments) as browser,
        served(store) as url,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900}, bypass_csp=True)
        show(f"first paint of {N:,} points, a server just started", paint(page, url), PAINT_S)
        chosen = [ids[i] for i in np.linspace(0, len(ids) - 1, CLICKS, dtype=int)]
        page.wait_for_timeout(1e3 * AIMS_S)
        print("  a click: catalog, spectrum, light curve from all photons in the store, neighbours and papers")
        show(f"the first one, {AIMS_S:.0f} s after the paint", click(page, chosen[0]), CLICK_S)
        seconds = np.array([click(page, id_) for id_ in chosen[1:]])
        show(f"median of {CLICKS - 1} more", float(np.median(seconds)), CLICK_S)
        show("the slowest of them", seconds.max(), CLICK_S)
        show("a lasso", lasso(page), LASSO_S)
        show("the same page again", float(np.median([paint(page, url) for _ in range(3)])), PAINT_S)
        for what, query in REFUSED.items():
            spent, said = refusal(page, query)
            show(f"SQL that {what} is refused", spent, TIMEOUT_S + REFUSAL_S if what == "runs long" else REFUSAL_S)
            print(f"    {said}")


def main() -> None:
    """Make a store, and measure on it."""
    if importlib.util.find_spec("playwright") is None:
        print("  not measured: pip install 'photonlake[browser]'")
        return
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "s"
        measure(store, fill(store, Path(folder) / "survey"))


if __name__ == "__main__":
    main()
