"""The page in a real browser; skipped where there is no Chromium, or no Playwright to drive it."""

from __future__ import annotations

import contextlib
import csv
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
playwright.expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        made = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield made
        made.close()


@contextlib.contextmanager
def opened(browser, server, address="", **how):
    """Open the page; it must say what it loaded, complain of nothing, and ask nobody else."""
    made = browser.new_page(**how)
    complaints = []
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("request", lambda r: None if r.url.startswith((server.url, "data:", "blob:")) else complaints.append(r.url))
    made.goto(server.url + address)
    playwright.expect(made.locator("#said")).to_contain_text("300 vectors" if "shape" not in address else "selected")
    playwright.expect(made.locator("#legend")).to_contain_text("QSO")
    yield made
    # What the server refuses, the browser tells its console; the page tells its reader.
    assert [c for c in complaints if "status of 400" not in c] == []
    made.close()


@pytest.fixture
def page(browser, server):
    with opened(browser, server) as made:
        yield made


def middle_point(page):
    """Return where on the page some point near the middle of the map is, and its id."""
    return page.evaluate(
        """() => {
          const {maps, state} = photonlake, [map] = maps, {x, y} = map;
          const f = map.frame(), box = map.canvas.getBoundingClientRect();
          const r = Array.from(x, (v, k) => v * v + y[k] * y[k]), i = r.indexOf(Math.min(...r));
          return {x: box.left + f.px(x[i]), y: box.top + f.py(y[i]), id: state.ids.at(i)};
        }"""
    )


def until(page, condition):
    """Wait until a condition holds; the page forbids the evaluation that Playwright's own waiting needs."""
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"it never came to: {condition}")


def lasso(page, at, half=60):
    """Draw a square around a place."""
    page.check("input[value=lasso]")
    page.mouse.move(at["x"] - half, at["y"] - half)
    page.mouse.down()
    for dx, dy in ((half, -half), (half, half), (-half, half), (-half, -half)):
        page.mouse.move(at["x"] + dx, at["y"] + dy, steps=4)
    page.mouse.up()


def test_a_click_on_a_point_shows_its_source(page):
    at = middle_point(page)
    page.mouse.click(at["x"], at["y"])
    playwright.expect(page.locator("#detail h2")).to_have_text(at["id"])
    playwright.expect(page.locator("#detail")).to_contain_text("neighbours in spectrum")
    row = page.locator("#detail tr.go").first
    other = row.locator("td").first.inner_text()
    row.click()
    playwright.expect(page.locator("#detail h2")).to_have_text(other)


def test_a_source_with_products_shows_its_spectrum_position_and_papers_as_text(page):
    page.fill("#words", "1.0.0")
    page.press("#words", "Enter")
    page.locator("#detail tr.go").first.click()
    playwright.expect(page.locator("#detail svg circle").first).to_be_visible()
    playwright.expect(page.locator("#detail summary")).to_contain_text("<b>Löwe</b>")  # markup is shown, not obeyed
    playwright.expect(page.locator("#detail details mark")).to_have_text("Dips")
    playwright.expect(page.locator("#detail section", has_text="neighbours in")).to_contain_text("alike in")
    playwright.expect(page.locator(".place")).to_contain_text("19:43:27.667")
    playwright.expect(page.locator("#detail dd", has_text="295.865280")).to_be_visible()


def test_a_source_with_photons_shows_its_light_curve_and_image(page):
    page.fill("#words", "1.0.1")
    page.press("#words", "Enter")
    page.locator("#detail tr.go").first.click()
    curve = page.locator("#detail section", has_text="light curve")
    playwright.expect(curve.locator("svg circle").first).to_be_visible()
    playwright.expect(curve).to_contain_text("blocks of constant rate")
    playwright.expect(curve).to_contain_text("bins of 1")
    curve.locator("input").fill("1000")
    curve.locator("input").press("Tab")
    playwright.expect(curve).to_contain_text("bins of 1000 s")


def test_a_lasso_selects_points_that_sql_and_a_colleague_see(page, browser, server, tmp_path, monkeypatch):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'no hub').as_uri()}")
    lasso(page, middle_point(page))
    heading = page.locator("#detail h2")
    playwright.expect(heading).to_contain_text("selected of 300")
    n = int(heading.inner_text().split()[0])
    assert 0 < n < 300
    playwright.expect(page.locator("#detail")).to_contain_text("% of selected")
    playwright.expect(page.locator("#detail")).to_contain_text("words that set their papers apart")
    page.fill("#query", "SELECT count(*) AS n FROM selection")
    page.press("#query", "Control+Enter")
    playwright.expect(page.locator("#answer td").first).to_have_text(str(n))
    with page.expect_download() as saved:
        page.click("text=save csv")
    saved.value.save_as(tmp_path / "selection.csv")
    with (tmp_path / "selection.csv").open() as rows:
        assert sum("detection_id" in row for row in csv.DictReader(rows)) == n
    page.click("#detail button:has-text('send to TOPCAT')")
    playwright.expect(page.locator("#detail [role=status]")).to_contain_text("start TOPCAT")
    page.click("#answer button:has-text('send to TOPCAT')")
    playwright.expect(page.locator("#answer [role=status]")).to_contain_text("start TOPCAT")
    with opened(browser, server, page.evaluate("location.hash")) as other:
        playwright.expect(other.locator("#detail h2")).to_have_text(heading.inner_text())
    page.check("input[value=remove]")
    lasso(page, middle_point(page), half=70)
    playwright.expect(page.locator("#detail")).to_contain_text("Nothing is selected")


def test_panning_and_zooming_move_the_map(page):
    before = middle_point(page)
    page.mouse.move(before["x"], before["y"])
    page.mouse.down()
    page.mouse.move(before["x"] + 60, before["y"] + 30, steps=4)
    page.mouse.up()
    after = middle_point(page)
    assert after["x"] - before["x"] == pytest.approx(60, abs=1)
    page.mouse.wheel(0, -400)
    playwright.expect(page.locator("#outside0")).to_contain_text("drawn at the edge")
    page.click("#all")
    playwright.expect(page.locator("#outside0")).to_have_text("")


def test_colours_have_a_legend_that_hides_and_limits(page):
    page.click("#legend button:has-text('QSO')")
    playwright.expect(page.locator("#legend button[aria-pressed=false]")).to_have_count(1)
    page.fill("#column", "hard_hs")
    page.press("#column", "Tab")
    playwright.expect(page.locator("#legend")).to_contain_text("hard_hs")
    page.fill("#legend input >> nth=0", "0.4")
    page.press("#legend input >> nth=0", "Tab")
    assert page.evaluate("photonlake.state.low") == 0.4
    page.fill("#column", "no_such")
    page.press("#column", "Tab")
    playwright.expect(page.locator("#said")).to_contain_text("no column")


def test_points_are_sized_by_numbers_and_faded_and_the_address_says_so(page, browser, server):
    inked = """() => {
      const [{image}] = photonlake.maps, alpha = image.data.filter((_, i) => i % 4 === 3);
      return {n: alpha.filter((v) => v).length, most: alpha.reduce((a, b) => Math.max(a, b))};
    }"""
    until(page, "photonlake.maps[0].image && !photonlake.maps[0].stale")
    before = page.evaluate(inked)
    page.fill("#size", "hard_hs")
    page.press("#size", "Tab")
    until(page, "photonlake.maps[0].wider && !photonlake.maps[0].stale")
    assert page.evaluate("[Math.min(...photonlake.maps[0].wider), Math.max(...photonlake.maps[0].wider)]") == [0, 10]
    assert page.evaluate(inked)["n"] > 2 * before["n"]
    page.fill("#opacity", "50")
    until(page, "!photonlake.maps[0].stale")
    assert page.evaluate(inked)["most"] <= 128
    with opened(browser, server, page.evaluate("location.hash")) as other:
        until(other, "photonlake.maps[0].wider && photonlake.maps[0].opacity === 0.5")
    page.fill("#size", "otype")
    page.press("#size", "Tab")
    playwright.expect(page.locator("#said")).to_contain_text("holds no numbers")
    assert page.evaluate("photonlake.maps[0].wider") is None


def test_a_second_map_shows_the_sky_or_two_columns_of_the_same_points(page):
    page.select_option("#second", "sky")
    playwright.expect(page.locator("#name1")).to_contain_text("east is left")
    lasso(page, middle_point(page))
    playwright.expect(page.locator("#detail h2")).to_contain_text("selected of 300")
    page.select_option("#second", "columns")
    page.fill("#x", "hard_hs")
    page.fill("#y", "obsid")
    page.press("#y", "Tab")
    playwright.expect(page.locator("#name1")).to_contain_text("obsid")
    playwright.expect(page.locator("#name1")).to_contain_text("over hard_hs")


def test_a_stored_map_is_chosen_as_either_map_and_stands_in_the_address(browser, mapped):
    with opened(browser, mapped) as page:
        page.select_option("#space", "spectrum:tsne")
        playwright.expect(page.locator("#name0")).to_contain_text("t-SNE, perplexity 10")
        page.select_option("#second", "spectrum")
        playwright.expect(page.locator("#name1")).to_contain_text("principal components")
        until(page, "photonlake.state.ids")
        lasso(page, middle_point(page))
        heading = page.locator("#detail h2")
        playwright.expect(heading).to_contain_text("selected of 300")
        with opened(browser, mapped, page.evaluate("location.hash")) as other:
            playwright.expect(other.locator("#name0")).to_contain_text("t-SNE")
            playwright.expect(other.locator("#detail h2")).to_have_text(heading.inner_text())


def test_a_search_finds_parts_of_names_and_places_and_leaves_nothing_stale(page):
    page.fill("#words", "J000007")
    page.press("#words", "Enter")
    playwright.expect(page.locator("#detail tr.go")).to_have_count(1)
    page.fill("#words", "295.86528 -10.5")
    page.press("#words", "Enter")
    playwright.expect(page.locator("#detail tr.go td").first).to_have_text("1.0.3")
    page.fill("#words", "J999999")
    page.press("#words", "Enter")
    playwright.expect(page.locator("#detail")).to_contain_text("no source or detection")
    playwright.expect(page.locator("#detail tr.go")).to_have_count(0)


def test_sql_is_completed_answered_sorted_and_refused_at_its_place(page):
    page.fill("#query", "")
    page.type("#query", "SELECT detection_id, hard_hs FROM csc.observation_s")
    playwright.expect(page.locator("#completions button").first).to_have_text("csc.observation_source")
    page.press("#query", "Tab")
    page.type("#query", " ORDER BY hard_hs DESC LIMIT 3")
    page.click("#sql button")
    rows = page.locator("#answer table tbody tr")
    playwright.expect(rows).to_have_count(3)
    highest = rows.first.inner_text()
    page.click("#answer th button:has-text('hard_hs')")
    assert rows.last.inner_text() == highest
    rows.first.click()
    playwright.expect(page.locator("#detail h2")).to_contain_text(".")
    page.fill("#query", "SELECT nme FROM csc.observation_source")
    page.press("#query", "Control+Enter")
    playwright.expect(page.locator("#answer .error")).to_contain_text("did you mean name")
    where = "(q) => q.value.slice(q.selectionStart, q.selectionEnd)"
    assert page.locator("#query").evaluate(where) == "nme"
    page.press("#query", "Alt+ArrowUp")
    page.press("#query", "Alt+ArrowUp")
    assert page.input_value("#query").endswith("LIMIT 3")


@pytest.mark.parametrize("width", [400, 1100, 1900])
def test_nothing_is_wider_than_the_page(browser, server, width):
    with opened(browser, server, "#second=sky", viewport={"width": width, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
