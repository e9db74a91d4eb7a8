from __future__ import annotations

import base64
import hashlib
import io
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
from affekt.formats.report import exhibit, html, png
from affekt.formats.report.exhibit import COLUMNS, Exhibit, envelope, exhibits
from affekt.formats.summary import in_words
from affekt.results import Outcome, Track
from affekt.runtime.metadata import UNINTENDED_USE, describe_metric
from affekt.runtime.options import TimelineOptions

PLAIN = TimelineOptions(vad="off")
VOID = {"meta", "path", "br", "input"}


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
def shown(outcomes: list[Outcome], tiny_model: Path) -> list[Exhibit]:
    speakers = {outcomes[0].file: "Anna & Co", outcomes[1].file: "Ben"}
    return list(exhibits(affekt.load_model(tiny_model), outcomes, PLAIN, speakers))


@pytest.fixture
def page(shown: list[Exhibit], tiny_model: Path) -> str:
    return html.render(shown, affekt.load_model(tiny_model).config)


def test_the_page_is_well_formed(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.tags.count("svg") == 2 * (1 + 6 + 1)  # waveform, a curve of each emotion, plane
    assert outline.tags.count("audio") == 2
    assert outline.tags.count("section") == 5  # speakers, three recordings, the model


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    names = {name for name, _ in outline.attributes}
    assert not names & {"srcset", "data", "onload", "onclick"}
    sources = [value or "" for name, value in outline.attributes if name == "src"]
    assert sources
    assert all(source.startswith("data:audio/mpeg;base64,") for source in sources)
    assert all(
        (value or "").startswith("#") for name, value in outline.attributes if name == "href"
    )
    assert not set(outline.tags) & {"link", "img", "iframe", "object"}
    assert outline.tags.count("script") == 1
    assert "url(" not in page
    assert "@import" not in page
    assert "http" not in html.SCRIPT
    policy = next(value for name, value in outline.attributes if "default-src" in (value or ""))
    digest = base64.b64encode(hashlib.sha256(html.SCRIPT.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")


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


def test_dark_text_stands_out_on_every_emotion() -> None:
    for color in (*exhibit.COLORS.values(), exhibit.OTHER):
        ink = luminance(exhibit.INK)
        assert (luminance(color) + 0.05) / (ink + 0.05) >= 4.5
    assert set(affekt.EMOTIONS) <= set(exhibit.COLORS)
    assert len(set(exhibit.COLORS.values())) == len(exhibit.COLORS)


def test_the_page_sums_up_by_speaker(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert "Speakers" in outline.texts
    assert {"Anna & Co", "Ben"} <= set(outline.texts)


def test_the_sound_is_the_recording(shown: list[Exhibit]) -> None:
    original = affekt.load_audio(shown[0].track.file)
    heard, rate = soundfile.read(io.BytesIO(shown[0].sound), dtype="float32")
    assert rate == 16000
    assert len(heard) == pytest.approx(len(original), abs=3000)  # an MP3 has whole frames
    assert np.std(heard) == pytest.approx(np.std(original), rel=0.3)


def test_a_recording_from_stdin_has_no_waveform(outcomes: list[Outcome], tiny_model: Path) -> None:
    model = affekt.load_model(tiny_model)
    only = [Outcome("-", prediction=outcomes[0].prediction)]
    page = html.render(list(exhibits(model, only)), model.config)
    assert "<svg" not in page
    assert "<script" not in page
    assert "Emotion in 1 recording" in page


def test_what_is_long_is_drawn_but_not_heard(
    outcomes: list[Outcome], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = affekt.load_model(tiny_model)
    (short,) = exhibits(model, outcomes[:1])
    monkeypatch.setattr(exhibit, "LONGEST_SOUND", 0.5)
    (long,) = exhibits(model, outcomes[:1])
    assert long.sound == b""
    assert long.low.min() == pytest.approx(short.low.min(), abs=1e-4)
    assert long.high.max() == pytest.approx(short.high.max(), abs=1e-4)
    page = html.render([long], model.config)
    assert "The sound is not part of this page" in page
    assert '<input type="file"' in page


def test_a_report_carries_so_much_sound(
    outcomes: list[Outcome], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = affekt.load_model(tiny_model)
    size = len(next(exhibits(model, outcomes[:1])).sound)
    monkeypatch.setattr(exhibit, "MOST_SOUND", int(1.5 * size))
    first, second = exhibits(model, outcomes[:2])
    assert first.sound
    assert not second.sound
    assert len(second.low)


def test_a_recording_that_is_gone_is_shown_without_its_shape(
    outcomes: list[Outcome], tiny_model: Path
) -> None:
    Path(outcomes[0].file).unlink()
    model = affekt.load_model(tiny_model)
    (shown,) = exhibits(model, outcomes[:1])
    assert not len(shown.low)
    assert outcomes[0].prediction is not None
    assert outcomes[0].prediction.label in html.render([shown], model.config)


def test_a_time_line_is_shown_without_an_answer_for_all_of_it(
    outcomes: list[Outcome], tiny_model: Path
) -> None:
    model = affekt.load_model(tiny_model)
    file = outcomes[0].file
    track = Track(file, tuple(model.timeline(file, PLAIN)), 1.0, warnings=("very <quiet>",))
    page = html.render(list(exhibits(model, [track], PLAIN)), model.config)
    assert f'<p class="gist">{in_words(track.segments)}</p>' in page
    assert "Note: very &lt;quiet&gt;" in page
    assert "All of it" not in page


def test_many_hops_are_averaged() -> None:
    from affekt.results import Measurement

    count = 4 * html.MOST_STEPS
    hops = [Measurement(i, i + 1, "a", 1.0, {"a": float(i % 2)}) for i in range(count)]
    thinned = html._thinned(hops)
    assert len(thinned) == html.MOST_STEPS
    assert thinned[0] == (0, 4, {"a": 0.5})


def test_the_waveform_spans_its_peak() -> None:
    samples = np.zeros(20 * COLUMNS, np.float32)
    samples[10 * COLUMNS] = 0.25
    drawing = ElementTree.fromstring(html.waveform(*envelope(samples), "w"))
    assert drawing.get("viewBox") == f"0 0 {2 * COLUMNS} {html.HEIGHT}"
    path = drawing[0].get("d") or ""
    columns = re.findall(r"M(\d+) ([\d.]+)V([\d.]+)", path)
    assert len(columns) == COLUMNS
    heights = [float(bottom) - float(top) for _, top, bottom in columns]
    assert heights.index(max(heights)) == COLUMNS // 2
    assert float(columns[COLUMNS // 2][1]) == pytest.approx(1.0)
    assert min(heights) == pytest.approx(1.0)  # silence is a line


@pytest.mark.parametrize("count", [1, 2, COLUMNS - 1, COLUMNS, COLUMNS + 1, 100_003])
def test_the_envelope_holds_every_sample(count: int) -> None:
    samples = np.random.default_rng(count).normal(size=count).astype(np.float32)
    low, high = envelope(samples)
    assert len(low) == len(high) == min(count, COLUMNS)
    assert low.min() == samples.min()
    assert high.max() == samples.max()


def test_png(shown: list[Exhibit], tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "out.png"
    png.draw(shown, affekt.load_model(tiny_model).config, picture)
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
