from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

import affekt
from affekt.errors import MissingExtraError
from affekt.runtime.facts import UNINTENDED_USE, describe_metric
from affekt.runtime.formats import Outcome, html, png, svg

VOID = {"meta", "path", "br"}


class Outline(HTMLParser):
    """Collects tags, attributes and text, and sees that every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def outcomes(tiny_model: Path, tmp_path: Path) -> list[Outcome]:
    model = affekt.load_model(tiny_model)
    result = []
    for index, name in enumerate(["one.wav", "<b>&two.wav"]):
        path = tmp_path / name
        samples = np.random.default_rng(index).normal(0, 0.1, 16000)
        soundfile.write(path, samples, 16000)
        result.append(Outcome(str(path), prediction=model.predict(path)))
    return [*result, Outcome("no <such>.wav", error="no <such>.wav: no such file")]


@pytest.fixture
def page(outcomes: list[Outcome], tiny_model: Path) -> str:
    return html.render(outcomes, affekt.load_model(tiny_model).config)


def test_the_page_is_well_formed(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.tags.count("svg") == 2
    assert outline.tags.count("section") == 4  # three recordings and the model


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    names = {name for name, _ in outline.attributes}
    assert not names & {"src", "srcset", "data", "onload", "onclick"}
    assert all(
        (value or "").startswith("#") for name, value in outline.attributes if name == "href"
    )
    assert not set(outline.tags) & {"script", "link", "img", "iframe", "object"}
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_the_page_shows_every_score(page: str, outcomes: list[Outcome]) -> None:
    outline = Outline()
    outline.feed(page)
    for outcome in outcomes:
        assert outcome.file in outline.texts
        if outcome.prediction is not None:
            for label, score in outcome.prediction.scores.items():
                assert label in outline.texts
                assert f"{score:.1%}" in outline.texts
    assert "Error: no <such>.wav: no such file" in outline.texts
    assert UNINTENDED_USE in outline.texts


def test_the_page_is_for_phones_and_dark_screens(page: str) -> None:
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page


def luminance(color: str) -> float:
    digits = color.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("text", ["ink", "soft", "alert"])
def test_words_stand_out(scheme: int, text: str) -> None:
    # WCAG 2.1, 1.4.3: at least 4.5 to 1 between text and what lies behind it.
    def color(name: str) -> float:
        return luminance(re.findall(rf"--{name}: (#\w+)", html.STYLE)[scheme])

    for behind in ("paper", "card"):
        lighter, darker = sorted((color(text), color(behind)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_a_recording_from_stdin_has_no_waveform(outcomes: list[Outcome], tiny_model: Path) -> None:
    config = affekt.load_model(tiny_model).config
    page = html.render([Outcome("-", prediction=outcomes[0].prediction)], config)
    assert "<svg" not in page
    assert "Emotion in 1 recording" in page


def test_the_waveform_spans_its_peak() -> None:
    samples = np.zeros(6400, np.float32)
    samples[3200] = 0.25
    drawing = ElementTree.fromstring(svg.waveform(samples, "w"))
    assert drawing.get("viewBox") == f"0 0 {2 * svg.COLUMNS} {svg.HEIGHT}"
    path = drawing[0].get("d") or ""
    columns = re.findall(r"M(\d+) ([\d.]+)V([\d.]+)", path)
    assert len(columns) == svg.COLUMNS
    heights = [float(bottom) - float(top) for _, top, bottom in columns]
    assert heights.index(max(heights)) == svg.COLUMNS // 2
    assert float(columns[svg.COLUMNS // 2][1]) == pytest.approx(1.0)
    assert min(heights) == pytest.approx(1.0)  # silence is a line


@pytest.mark.parametrize("count", [1, 2, 319, 320, 321, 100_003])
def test_the_envelope_holds_every_sample(count: int) -> None:
    samples = np.random.default_rng(count).normal(size=count).astype(np.float32)
    low, high = svg.envelope(samples)
    assert len(low) == len(high) == min(count, svg.COLUMNS)
    assert low.min() == samples.min()
    assert high.max() == samples.max()


def test_png(outcomes: list[Outcome], tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "out.png"
    png.draw(outcomes, affekt.load_model(tiny_model).config, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_png_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[train\]'"):
        png.require_matplotlib()


def test_a_metric_in_words() -> None:
    assert describe_metric({"protocol": "p", "uar": 0.621, "wa": 0.5, "seed": 3}) == (
        "p: UAR 62.1%, accuracy 50.0%"
    )
    assert describe_metric({}) == "protocol not stated: no figures"
