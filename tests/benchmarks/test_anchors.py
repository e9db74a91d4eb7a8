"""Figures of others are read, refused without a source, and stand in the tables and the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report.anchors import Anchor, read_anchors
from report.size_picture import SHOWN, draw_uar_by_size, picture_in_words, points_of

from affekt.errors import ConfigError, DataError
from affekt.evaluation.results import Predictions, Result, Score, summarise

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
    return read_anchors(repository / "benchmarks/anchors.toml")


def test_each_anchor_of_a_panel_is_in_the_picture(ours: list[Anchor], tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    draw_uar_by_size([], ours, path)
    said = [text.text or "" for text in ElementTree.parse(path).iter(f"{SVG}text")]
    shown = [one for panel in SHOWN for one in ours if one.beside(panel)]
    assert len(shown) > 18
    for one in shown:
        label = one.system if one.parameters else f"{one.system}{', ' * bool(one.size)}{one.size}"
        assert any(text.startswith(label) for text in said), one


def test_the_same_figures_give_the_same_picture(
    result: Result, ours: list[Anchor], tmp_path: Path
) -> None:
    one, other = tmp_path / "one.svg", tmp_path / "other.svg"
    draw_uar_by_size([result], ours, one)
    draw_uar_by_size([result], ours, other)
    assert one.read_bytes() == other.read_bytes()


def test_what_a_point_stands_for(result: Result) -> None:
    def look(*results: Result, anchors: tuple[Anchor, ...] = ()) -> list[tuple[str, str]]:
        points = points_of("ravdess-luna5", results, anchors)
        return [(point.label, point.look) for point in points]

    assert look(result) == [("our-net", "one model")]
    assert look(replace(result, ensemble=True)) == [("our-net", "several models")]
    assert look(replace(result, adapted=True)) == [("our-net (adapted)", "one model")]
    apart = replace(ANCHOR, system="apart", setting="other folds", parameters=None, size="large")
    assert look(anchors=(ANCHOR, apart)) == [
        ("Some net", "published, same protocol"),
        ("apart, large", "published, other protocol"),
    ]
    assert look(replace(result, protocol="cross")) == []


def test_only_several_seeds_have_a_deviation(result: Result) -> None:
    (several,) = points_of("ravdess-luna5", [result], [])
    (one,) = points_of("ravdess-luna5", [replace(result, seeds=(0,))], [])
    assert (several.sd, one.sd) == (pytest.approx(2.0), 0.0)


def test_the_file_of_the_repository_knows_who_is_comparable(ours: list[Anchor]) -> None:
    same = {one.system for one in ours if one.same_as("ravdess-luna5")}
    assert same >= {"ResLSTM-SA", "wav2vec 2.0 XLSR, fine-tuned"}
    assert same.isdisjoint({"HuBERT-base", "TIM-Net", "human listeners"})
    assert not [one for one in ours if one.system == "LIGHT-SERNET" and one.same_as("emodb-loso")]


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
