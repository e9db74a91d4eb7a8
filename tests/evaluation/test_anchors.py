"""Figures of others are read, refused without a source, and stand in the tables and the picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from affekt.errors import ConfigError, DataError
from affekt.evaluation import results
from affekt.evaluation.anchors import (
    ANCHORS,
    Anchor,
    read_anchors,
)
from affekt.evaluation.results import Predictions, Result, Score, summarise
from affekt.evaluation.size_picture import SHOWN, draw_uar_by_size, picture_in_words

SVG = "{http://www.w3.org/2000/svg}"
ANCHOR = Anchor(
    system="Some net",
    corpus="ravdess",
    classes=8,
    score="UAR",
    value=62.25,
    source="Doe 2020",
    url="https://example.org/doe",
    protocol="ravdess-luna5",
    sd=1.2,
    remark="best run 65.2",
    parameters=47_000,
)
TOML = """
[[anchor]]
system = "Some net"
corpus = "emodb"
classes = 7
protocol = "emodb-loso"
score = "UAR"
value = 80
source = "Doe 2020"
"""


@pytest.fixture
def result(predict: Callable[..., Predictions]) -> Result:
    summary = summarise([predict(0)], ("happy", "neutral", "sad"), n_bootstrap=20)
    return Result(
        **{**vars(summary), "uar": Score(0.7, 0.02)},
        protocol="ravdess-luna5",
        recipe="our-net",
        seeds=(0, 1),
        parameters=100_000,
        bytes=1,
        commit="0" * 40,
        data_sha256="f" * 64,
        versions={},
        wall_seconds=1.0,
    )


@pytest.fixture(scope="module")
def ours(repository: Path) -> list[Anchor]:
    """The anchors of the repository."""
    return read_anchors(repository / ANCHORS)


def shapes(svg: str, kind: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(svg)
    marks = [*root.iter(f"{SVG}circle"), *root.iter(f"{SVG}polygon")]
    return [mark for mark in marks if mark.attrib["class"] == kind]


def test_each_anchor_of_a_panel_is_in_the_picture(ours: list[Anchor]) -> None:
    svg = draw_uar_by_size([], ours)
    said = [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    shown = [(one, panel) for panel in SHOWN for one in ours if one.beside(panel)]
    assert len(shown) > 18
    for one, _ in shown:
        if one.parameters is None:
            assert any(t.startswith(one.system) and f": {one.value:.1f} %" in t for t in said)
        else:
            assert one.system in said
    sized = [(one, panel) for one, panel in shown if one.parameters is not None]
    same = [one for one, panel in sized if one.same_as(panel)]
    assert len(shapes(svg, "other")) == len(same) + 1  # and one in the legend
    assert len(shapes(svg, "apart")) == len(sized) - len(same) + 1


def test_the_file_of_the_repository_knows_who_is_comparable(ours: list[Anchor]) -> None:
    same = {one.system for one in ours if one.same_as("ravdess-luna5")}
    assert same >= {"ResLSTM-SA", "wav2vec 2.0 XLSR, fine-tuned"}
    assert same.isdisjoint({"HuBERT-base", "TIM-Net", "human listeners"})
    assert not [one for one in ours if one.system == "LIGHT-SERNET" and one.same_as("emodb-loso")]


def test_ours_are_filled_and_teams_are_marked_otherwise(result: Result) -> None:
    alone = draw_uar_by_size([result], [])
    assert len(shapes(alone, "own")) == 2  # and one in the legend
    assert len(shapes(alone, "team")) == 1
    team = draw_uar_by_size([replace(result, ensemble=True)], [])
    assert len(shapes(team, "own")) == 1
    assert len(shapes(team, "team")) == 2
    assert "our-net (adapted)" in draw_uar_by_size([replace(result, adapted=True)], [])


def test_larger_lies_to_the_right_and_better_higher(result: Result) -> None:
    def place(parameters: int, uar: float) -> tuple[float, float]:
        others = [replace(result, parameters=2000, uar=Score(low, 0.0)) for low in (0.3, 0.9)]
        one = replace(result, parameters=parameters, uar=Score(uar, 0.0))
        mark = shapes(draw_uar_by_size([*others, one], []), "own")[-1]
        return float(mark.attrib["cx"]), float(mark.attrib["cy"])

    (x0, y0), (x1, y1), (x2, _) = place(10**4, 0.5), place(10**5, 0.6), place(10**6, 0.6)
    assert x2 - x1 == pytest.approx(x1 - x0, abs=0.2)  # a logarithmic axis
    assert x1 > x0 + 50
    assert y1 < y0 - 20


def test_several_seeds_have_a_bar(result: Result) -> None:
    several = draw_uar_by_size([result], []).count("<polyline")
    one = draw_uar_by_size([replace(result, seeds=(0,))], []).count("<polyline")
    assert several == one + 3  # the bar, and its two ends


def test_names_do_not_cover_each_other(result: Result) -> None:
    crowd = [
        replace(result, recipe=f"recipe-{n}", parameters=90_000 + 3000 * n, uar=Score(0.6, 0.0))
        for n in range(8)
    ]
    svg = draw_uar_by_size(crowd, [])
    wide = 48  # px that such a name takes at least
    places = [
        (float(text.attrib["x"]) - wide * ("text-anchor" in text.attrib), float(text.attrib["y"]))
        for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
        if (text.text or "").startswith("recipe-")
    ]
    assert len(places) == 8
    for i, (x, y) in enumerate(places):
        for x1, y1 in places[i + 1 :]:
            assert abs(y - y1) >= 12 or abs(x - x1) >= wide


def test_the_picture_in_words(result: Result) -> None:
    assert picture_in_words([], []) == "Nothing was measured yet."
    words = picture_in_words([result, replace(result, uar=Score(0.4, 0.0))], [ANCHOR])
    assert "our best is our-net, 70.0 % with 0.10 M parameters; published: Some net, 62.2" in words


def test_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text(TOML)
    (one,) = read_anchors(path)
    assert (one.system, one.value, one.parameters) == ("Some net", 80.0, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "Doe 2020"', 'source = " "', "'Some net' on emodb has no source"),
        ('source = "Doe 2020"', "", "anchor 1: missing key anchor.source"),
        ('corpus = "emodb"', 'corpus = "iemocap"', "corpus must be one of ravdess"),
        ("value = 80", "value = 0.0", "the value is in percent, got 0"),
        ("value = 80", 'value = "80"', "anchor.value must be float"),
        ('score = "UAR"', 'score = "F1"', "score must be one of UAR, UA, accuracy"),
        ('protocol = "emodb-loso"', 'protocol = "loso"', "unknown protocol 'loso'"),
        ('protocol = "emodb-loso"', "", "needs a protocol, or a setting"),
        (
            'classes = 7\nprotocol = "emodb-loso"',
            'classes = 4\nsetting = "four of them"',
            "no protocol has that corpus with 4 classes",
        ),
        ("classes = 7", "classes = 7\nparameters = 0", "parameters must be positive"),
        ("classes = 7", "classes = 7\nyear = 2020", "unknown key anchor.year"),
        ('system = "Some net"', 'system = ""', "needs the name of its system"),
        ("[[anchor]]", "[[figure]]", "tables \\[\\[anchor\\]\\] and nothing else"),
    ],
)
def test_impossible_anchors_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text(TOML.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_anchors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the anchors .*none\.toml"):
        read_anchors(tmp_path / "none.toml")


def test_an_anchor_without_a_source_stops_make_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text(TOML.replace('source = "Doe 2020"', 'source = ""'))
    page, picture = tmp_path / "page.md", tmp_path / "picture.svg"
    page.write_text("as it was")
    words: list[Any] = ["--anchors", path, "--docs", page, "--picture", picture]
    assert results.main([*map(str, words), "--results", str(tmp_path)]) == 1
    assert re.match(r"error: .*anchor 1: .*has no source", capsys.readouterr().err)
    assert page.read_text() == "as it was"
    assert not picture.exists()
