"""The report in a real browser: it plays, is steered by hand and by keys, and fits a phone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from browser import watch
from patience import PATIENCE

import affekt
from affekt.formats.report import html
from affekt.formats.report.exhibit import exhibits
from affekt.results import Segment, Track
from affekt.runtime.options import TimelineOptions

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LABELS = ("angry", "disgust", "fearful", "happy", "neutral", "sad")
SECONDS = 8.0


@pytest.fixture(scope="module")
def report(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on one recording with four segments, and on one that is bad."""
    folder = tmp_path_factory.mktemp("report")
    file = folder / "a-name-that-is-longer-than-a-phone-is-wide-and-has-no-blank-in-it.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, int(SECONDS * 16000))
    soundfile.write(file, samples, 16000)
    scores = dict.fromkeys(LABELS, 0.0)
    segments = tuple(
        Segment(2 * i, 2 * i + 2, label, 0.5 + i / 10, {**scores, label: 1.0})
        for i, label in enumerate(LABELS[:4])
    )
    tracks = [Track(str(file), segments, SECONDS), Track("bad.wav", error="bad.wav: is empty")]
    model = affekt.load_model(tiny_model)
    shown = list(exhibits(model, tracks, TimelineOptions(vad="off")))
    page = folder / "report.html"
    page.write_text(html.render(shown, model.config), encoding="utf-8")
    return page.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (360, "dark")])
def test_it_fits_and_breaks_no_rule(
    chromium: Browser, report: str, width: int, scheme: str
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    faults = watch(page)
    page.goto(report)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(19, 19, 22)"}[scheme]
    assert page.locator("svg.curve").count() == len(LABELS)
    assert faults == []
    page.close()


def until(page: Page, condition: str) -> None:
    """Wait for a condition; `wait_for_function` would break the page's own security policy."""
    deadline = time.monotonic() + PATIENCE
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def test_player_and_plot_are_in_step(chromium: Browser, report: str) -> None:
    page = chromium.new_page(viewport={"width": 900, "height": 900})
    faults = watch(page)
    page.goto(report)
    until(page, "document.querySelector('audio').readyState >= 1")
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(8, abs=0.2)
    over, now = page.locator(".over"), page.locator(".now")
    box = over.bounding_box()
    assert box is not None
    over.click(position={"x": box["width"] * 5.5 / 8, "y": 30})
    assert now.inner_text() == "0:05.5 fearful 70%"
    assert page.evaluate("document.querySelector('audio').currentTime") == pytest.approx(
        5.5, abs=0.1
    )
    over.press("ArrowRight")
    assert now.inner_text() == "0:06.5 happy 80%"
    assert "happy 80%" in (over.get_attribute("aria-valuetext") or "")
    over.press("Home")
    assert now.inner_text() == "0:00.0 angry 50%"
    over.press("End")
    assert now.inner_text() == "0:08.0 no answer here"
    over.press("Home")
    over.press(" ")
    until(page, "document.querySelector('audio').currentTime > 0.2")
    over.press(" ")
    until(page, "document.querySelector('audio').paused")
    until(
        page,
        "Math.abs(parseFloat(document.querySelector('.cursor').style.left)"
        " - 100 * document.querySelector('audio').currentTime / 8) < 1",
    )
    assert faults == []
    page.close()


def test_it_is_whole_without_its_script(chromium: Browser, report: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report)
    assert page.locator(".ribbon span").all_inner_texts() == list(LABELS[:4])
    assert page.get_by_text("Error: bad.wav: is empty", exact=True).is_visible()
    context.close()


@pytest.fixture(scope="module")
def long_report(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on a time line of 24 segments of two speakers."""
    folder = tmp_path_factory.mktemp("long-report")
    file = folder / "talk.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, 24 * 16000)
    soundfile.write(file, samples, 16000)
    segments = tuple(
        Segment(i, i + 0.8, LABELS[i % 3], 0.4 + i / 50, {}, speaker="Anna" if i % 2 else "Ben")
        for i in range(24)
    )
    model = affekt.load_model(tiny_model)
    shown = list(exhibits(model, [Track(str(file), segments, 24.0)], TimelineOptions(vad="off")))
    page = folder / "report.html"
    page.write_text(html.render(shown, model.config), encoding="utf-8")
    return page.as_uri()


def test_a_long_time_line_is_zoomed_and_its_table_chosen_from(
    chromium: Browser, long_report: str
) -> None:
    page = chromium.new_page(viewport={"width": 900, "height": 900})
    faults = watch(page)
    page.goto(long_report)
    over, now = page.locator(".over"), page.locator(".now")
    whole = over.evaluate("one => one.offsetWidth")
    assert page.locator(".axis .tick").all_inner_texts()[:2] == ["0:00", "0:05"]
    over.press("End")
    over.press("+")
    over.press("+")
    assert over.evaluate("one => one.offsetWidth") == pytest.approx(4 * whole, rel=0.02)
    assert page.evaluate("document.querySelector('.scroll').scrollLeft") > whole  # the end is seen
    assert page.evaluate("document.documentElement.scrollWidth") <= 900
    page.get_by_role("button", name="Whole recording").click()
    assert over.evaluate("one => one.offsetWidth") == whole
    over.press("Home")
    over.press("n")
    assert now.inner_text().startswith("0:01.0")
    # The surest of the emotions come first, and are gone to.
    first = page.locator(".picks li").first
    assert "Anna: fearful" in first.inner_text()
    first.get_by_role("button").click()
    assert now.inner_text().startswith("0:23.0")
    page.locator("summary").click()
    rows = page.locator("table.segments tbody tr:visible")
    page.get_by_role("button", name="probability").click()
    page.get_by_role("button", name="probability").click()  # the largest first
    page.locator("[data-filter=speaker]").select_option("Anna")
    page.locator("[data-filter=emotion]").select_option("angry")
    page.locator("[data-filter=confidence]").fill("50")
    assert page.locator(".filters output").inner_text() == "3 of 24"
    starts = rows.locator("td:first-child").all_inner_texts()
    assert starts == ["0:21.0", "0:15.0", "0:09.0"]
    assert faults == []
    page.close()
