"""The page in a real browser; skipped where there is no Chromium, or no Playwright to drive it."""

from __future__ import annotations

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        made = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield made
        made.close()


@pytest.fixture
def page(browser, server):
    made = browser.new_page()
    complaints = []
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.goto(server.url)
    playwright.expect(made.locator("#said")).to_contain_text("300 vectors")
    yield made
    assert complaints == []
    made.close()


def middle_point(page):
    """Return where on the page some point near the middle of the map is, and its id."""
    return page.evaluate(
        """() => {
          const f = map.frame(), box = map.canvas.getBoundingClientRect(), {x, y, ids} = map.map;
          const r = x.map((v, k) => v * v + y[k] * y[k]), i = r.indexOf(Math.min(...r));
          return {x: box.left + f.cx + x[i] * f.half, y: box.top + f.cy - y[i] * f.half, id: ids[i]};
        }"""
    )


def test_a_click_on_a_point_shows_its_source(page):
    at = middle_point(page)
    page.mouse.click(at["x"], at["y"])
    playwright.expect(page.locator("#detail h2")).to_have_text(at["id"])
    playwright.expect(page.locator("#detail")).to_contain_text("neighbours in spectrum")
    row = page.locator("#detail tr.go").first
    other = row.locator("td").first.inner_text()
    row.click()
    playwright.expect(page.locator("#detail h2")).to_have_text(other)


def test_a_source_with_products_shows_its_spectrum_and_papers_as_text(page):
    page.fill("#words", "1.0.0")
    page.press("#words", "Enter")
    page.locator("#detail tr.go").first.click()
    playwright.expect(page.locator("#detail svg circle").first).to_be_visible()
    playwright.expect(page.locator("#detail summary")).to_contain_text("<b>Löwe</b>")  # markup is shown, not obeyed


def test_a_source_with_photons_shows_its_light_curve(page):
    page.fill("#words", "1.0.1")
    page.press("#words", "Enter")
    page.locator("#detail tr.go").first.click()
    curve = page.locator("#detail section", has_text="light curve")
    playwright.expect(curve.locator("svg circle").first).to_be_visible()
    playwright.expect(curve).to_contain_text("bins of")


def test_panning_and_zooming_move_the_map(page):
    before = middle_point(page)
    page.mouse.move(before["x"], before["y"])
    page.mouse.down()
    page.mouse.move(before["x"] + 60, before["y"] + 30, steps=4)
    page.mouse.up()
    after = middle_point(page)
    assert after["x"] - before["x"] == pytest.approx(60, abs=1)
    page.mouse.wheel(0, -400)
    playwright.expect(page.locator("#said")).to_contain_text("300 vectors")
    assert page.evaluate("map.view.scale") > 1.5


def test_colours_have_a_legend_and_a_wrong_column_is_told(page):
    playwright.expect(page.locator("#legend")).to_contain_text("QSO")
    page.fill("#column", "hard_hs")
    page.press("#column", "Tab")
    playwright.expect(page.locator("#legend")).to_contain_text("hard_hs")


def test_sql_is_answered_and_refused_on_the_page(page):
    page.fill("#query", "SELECT detection_id, hard_hs FROM csc.observation_source ORDER BY hard_hs DESC LIMIT 3")
    page.click("#sql button")
    playwright.expect(page.locator("#answer table tbody tr")).to_have_count(3)
