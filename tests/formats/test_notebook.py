"""Answers in Python: short texts, HTML for notebooks, tables and pictures, of real recordings."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import affekt
from affekt.formats import notebook
from affekt.results import UNCERTAIN, Prediction, Segment, Track


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    return affekt.load_model("nano", threads=1)


@pytest.fixture(scope="module")
def file(recordings: list[Path]) -> Path:
    return next(one for one in recordings if one.suffix == ".wav")


@pytest.fixture(scope="module")
def answer(model: affekt.Model, file: Path) -> Prediction:
    return model.predict(file)


class _Tags(HTMLParser):
    """Follows the tags of a page: each that opens must close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _text(page: str) -> str:
    tags = _Tags(page)
    assert tags.open == []
    return tags.text


def test_the_texts_are_short(answer: Prediction) -> None:
    first, second = answer.ranked()[:2]
    expected = f"Prediction({first[0]} {first[1]:.0%}, {second[0]} {second[1]:.0%}, "
    assert repr(answer) == f"{expected}{answer.duration:.1f} s)"
    segment = Segment(1.0, 2.5, UNCERTAIN, 0.4, {"sad": 0.4, "happy": 0.35}, warnings=("noise",))
    assert repr(segment) == "Segment(1.0 to 2.5 s: uncertain, sad 40%, happy 35%, ! noise)"
    assert repr(replace(segment, speaker="Ann")).startswith("Segment(1.0 to 2.5 s Ann: ")
    assert repr(Track("a.wav", (segment,), 2.5)) == "Track('a.wav', 1 segment, 2.5 s)"
    assert repr(Track("a.wav", error="gone")) == "Track('a.wav', 0 segments, 0.0 s, error: gone)"


def test_a_prediction_shows_bars_and_the_recording(answer: Prediction, file: Path) -> None:
    page = answer._repr_html_()
    for emotion, score in answer.scores.items():
        assert f"{emotion}" in _text(page)
        assert f"{score:.1%}" in _text(page)
    sound = re.search(r'src="data:audio/wav;base64,([^"]+)"', page)
    assert sound is not None
    assert base64.b64decode(sound[1]) == file.read_bytes()


@pytest.mark.parametrize("source", ["", "gone.wav", "notes.txt"])
def test_a_recording_that_is_not_at_hand_has_no_player(answer: Prediction, source: str) -> None:
    assert "<audio" not in replace(answer, source=source)._repr_html_()


def test_a_large_recording_is_not_carried(
    answer: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "<audio" in answer._repr_html_()
    monkeypatch.setattr(notebook, "MOST_SOUND", 1000)
    assert "<audio" not in answer._repr_html_()


def test_names_cannot_bring_markup(answer: Prediction) -> None:
    bad = "<script>alert(1)</script>"
    segment = Segment(0.0, 1.0, bad, 1.0, {bad: 1.0}, speaker=bad, warnings=(bad,))
    for page in (segment._repr_html_(), Track(bad, (segment,), 1.0, bad)._repr_html_()):
        assert "<script" not in page
        assert bad in _text(page)


def test_a_time_line_is_read_to_its_end(model: affekt.Model, file: Path) -> None:
    options = affekt.TimelineOptions(vad="off")
    expected = list(model.timeline(file, options))
    timeline = model.timeline(file, options)
    assert repr(timeline) == f"Timeline({str(file)!r}, 0 segments in the 0.0 s read)"
    first = next(timeline)
    assert first == expected[0]
    track = timeline.track()
    assert list(track.segments) == expected
    assert track == timeline.track()
    assert track.quality == timeline.quality
    assert track.duration == pytest.approx(timeline.duration)
    assert _text(timeline._repr_html_()).startswith(notebook.in_words(track.segments))


def test_no_answer_is_drawn_where_none_is_named() -> None:
    segments = (Segment(0.0, 1.0, "sad", 1.0, {}), Segment(1.0, 2.0, UNCERTAIN, 0.3, {}))
    page = Track("a.wav", segments, 4.0)._repr_html_()
    assert page.count("<span title=") == 1
    assert "left:0.000%;width:25.000%" in page


def test_a_track_is_drawn(model: affekt.Model, file: Path) -> None:
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    segments = (
        Segment(0.0, 1.0, "sad", 1.0, {}, speaker="Ann"),
        Segment(1.0, 2.0, "happy", 1.0, {}, speaker="Bob"),
    )
    assert Track("a.wav", segments, 4.0).plot(ax) is ax
    assert ax.get_xlim() == (0.0, 4.0)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Ann", "Bob"]
    assert {text.get_text() for text in ax.texts} == {"sad", "happy"}
    assert len(ax.get_xticks()) > 2
    assert model.timeline(file).plot().get_xlabel() == "seconds"


def test_the_pipeline_of_transformers_has_this_shape(answer: Prediction) -> None:
    assert answer.to_hf() == [{"label": name, "score": s} for name, s in answer.ranked()]
    assert answer.to_hf(top_k=2) == answer.to_hf()[:2]


def test_many_recordings_are_a_table(
    model: affekt.Model, file: Path, answer: Prediction, tmp_path: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    audformat = pytest.importorskip("audformat")
    bad = tmp_path / "bad.wav"
    bad.touch()
    frame = affekt.predict([file, str(bad)], model)
    assert audformat.index_type(frame.index) == "segmented"
    assert list(frame.index.get_level_values("file")) == [str(file), str(bad)]
    assert frame["label"].iloc[0] == answer.label
    assert "it is empty" in frame["error"].iloc[1]
    assert frame.iloc[0]["error"] == ""
    pandas.testing.assert_frame_equal(affekt.predict(file, model), answer.to_frame())
    assert len(affekt.predict([], model)) == 0
