"""Draw the pictures of the pages from a store: python docs/draw_pictures.py STORE.

The picture of the page needs `pip install 'photonlake[browser,serve]'` and a Chromium on the path.
"""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path

import matplotlib as mpl

import catalog

PICTURES = Path(__file__).parent / "pictures"
BRIGHTEST = (
    "SELECT o.detection_id FROM csc.observation_source AS o SEMI JOIN product.spectrum AS s USING (detection_id) "
    "WHERE o.src_cnts_aper_b < 3000 ORDER BY o.src_cnts_aper_b DESC LIMIT 1"
)


def draw_source(store: Path) -> None:
    """Draw spectrum, light curve, photons and image of a bright detection."""
    mpl.use("Agg")
    with catalog.open(store) as cat:
        detection = cat.detection(str(cat.sql(BRIGHTEST).fetchall()[0][0]))
        spectrum = detection.spectrum()
        axes = spectrum.plot()
        # A power law of the same counts between 1 and 4 keV.
        shape = spectrum.fold(lambda energy_kev: energy_kev**-1.7)
        (net,), (model,) = spectrum.rebinned([1, 4]).rate, shape.rebinned([1, 4]).rate
        spectrum.fold(lambda energy_kev: net / model * energy_kev**-1.7).plot(axes)
        drawn = {"spectrum": axes, "light_curve": detection.light_curve().plot()}
        drawn |= {"events": detection.events().plot(), "image": detection.image().plot()}
        for name, on in drawn.items():
            on.figure.savefig(PICTURES / f"{name}.png", dpi=100, metadata={"Software": None})


def draw_page(store: Path, width: int = 1100, height: int = 760, name: str = "page") -> None:
    """Take a picture of the page, with a lasso around some points of the map and the sky beside it."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415 - an extra

    from catalog.serve.server import BrowseServer  # noqa: PLC0415 - an extra

    with BrowseServer(store) as server, sync_playwright() as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"{server.url}#space=spectrum&second=sky&column=hard_hs")
        expect(page.locator("#legend")).to_contain_text("hard_hs", timeout=60_000)
        page.check("input[value=lasso]")
        box = page.locator("#points0").bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
        x, y, r = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, min(box["width"], box["height"]) / 5
        page.mouse.move(x - r, y - r)
        page.mouse.down()
        for dx, dy in ((0, -1.2), (1, -1), (1.2, 0), (1, 1), (0, 1.2), (-1, 1)):
            page.mouse.move(x + r * dx, y + r * dy, steps=4)
        page.mouse.up()
        expect(page.locator("#detail")).to_contain_text("papers about them", ignore_case=True, timeout=60_000)
        expect(page.locator("#detail section > div").last).not_to_have_text("…", timeout=60_000)
        page.screenshot(path=PICTURES / f"{name}.png")
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    draw_source(Path(sys.argv[1]))
    draw_page(Path(sys.argv[1]))
