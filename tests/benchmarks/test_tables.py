"""Each figure has its row, under its protocol, the best first; times come from the benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report.anchors import Anchor, read_anchors
from report.tables import (
    Latency,
    place_of,
    protocol_table,
    protocol_tables,
    read_latency,
)

from affekt.errors import DataError
from affekt.evaluation import results
from affekt.evaluation.results import Predictions, Result, Score, summarise

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
    latency="such a net",
)
LATENCIES = Latency({"our-net": 4.25}, {"such a net": 1234.5})


@pytest.fixture
def result(predict: Callable[..., Predictions]) -> Result:
    summary = summarise([predict(0), predict(1)], ("happy", "neutral", "sad"), n_bootstrap=20)
    even = {name: Score(0.5, 0.02, (0.4, 0.6)) for name in ("wa", "weighted_f1", "macro_f1")}
    scores = {"uar": Score(0.6234, 0.0121, (0.58, 0.661)), "ece": Score(0.0512, 0.003), **even}
    return Result(
        **{**vars(summary), **scores},
        protocol="ravdess-luna5",
        recipe="our-net",
        seeds=(0, 1),
        parameters=256104,
        bytes=1050000,
        commit="0" * 40,
        data_sha256="f" * 64,
        versions={},
        wall_seconds=12.5,
        extra_data=("cremad",),
    )


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_row_of_ours_is_in_percent(result: Result) -> None:
    head, rule, row = protocol_table([result], [], LATENCIES).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 11
    assert cells(row) == [
        *("`our-net`", "2", "62.3 ± 1.2 [58.0, 66.1]", "50.0 ± 2.0", "50.0 ± 2.0"),
        *("5.1 ± 0.3", "256,104", "4.2", "cremad", ""),
    ]


def test_a_row_of_others_has_its_source() -> None:
    *_, row = protocol_table([], [ANCHOR], LATENCIES).splitlines()
    assert cells(row) == [
        *("Some net", "", "62.2 ± 1.2", "", "", "", "47,000", "1,234", "none"),
        "best run 65.2; [Doe 2020](https://example.org/doe)",
    ]
    large = replace(ANCHOR, parameters=None, size="6373 features", pretrained=True, url="")
    *_, row = protocol_table([], [large]).splitlines()
    assert cells(row)[6:] == [
        *("", "", "much other speech", "best run 65.2; 6373 features; Doe 2020")
    ]


def test_an_accuracy_is_no_uar(result: Result) -> None:
    other = replace(ANCHOR, score="accuracy", value=67.0, sd=None, setting="the voice alone")
    *_, row = protocol_table([result], [other]).splitlines()
    assert cells(row)[2:4] == ["", "67.0 †"]
    assert "† the voice alone; best run 65.2; " in row


def test_the_best_comes_first_and_what_does_not_compare_last(result: Result) -> None:
    better = replace(result, recipe="better", uar=Score(0.7, 0.0))
    known = replace(ANCHOR, system="known", score="accuracy", value=65.0)
    apart = [
        replace(ANCHOR, system=name, value=value, setting="other folds")
        for name, value in (("apart", 90.0), ("far apart", 95.0))
    ]
    _, _, *rows = protocol_table([result, better], [*apart, ANCHOR, known]).splitlines()
    assert [cells(row)[0] for row in rows] == [
        *("`better`", "known", "`our-net`", "Some net", "far apart", "apart")
    ]
    assert ["†" in row for row in rows] == [False, False, False, False, True, True]


def test_what_is_no_plain_figure_is_marked(result: Result) -> None:
    marked = replace(result, adapted=True, ensemble=True, extra_data=(), seeds=(0,))
    *_, row = protocol_table([marked]).splitlines()
    assert cells(row)[-2:] == ["none", "adapted, ensemble"]
    assert "±" not in row


def test_each_protocol_with_a_figure_has_a_table(result: Result) -> None:
    other = replace(ANCHOR, corpus="emodb", classes=7, protocol="", setting="random 5-fold")
    assert place_of(other) == "emodb-loso"
    text = protocol_tables([result], [ANCHOR, other])
    titles = [line for line in text.splitlines() if line.startswith("### ")]
    assert titles == ["### ravdess-luna5", "### emodb-loso"]
    assert text.count("Some net") == 2
    assert "EMO-DB, 7 classes, leave one of 10 speakers out." in text
    assert protocol_tables([]) == ""
    shared = replace(result, protocol="ravdess-random10")
    assert protocol_tables([shared]) == ""
    assert "### ravdess-random10" in protocol_tables([shared], shared_speakers=True)


def test_of_cross_each_corpus_counts_the_same(result: Result) -> None:
    folds = {"test-ravdess": Score(0.5, 0.0), "test-emodb": Score(0.62, 0.0)}
    crossed = replace(result, protocol="cross", per_fold=folds)
    better = replace(crossed, recipe="better", per_fold={**folds, "test-emodb": Score(0.7, 0.0)})
    other = replace(ANCHOR, protocol="cross", fold="test-emodb", sd=None, remark="")
    text = protocol_tables([result, crossed, better], [other])
    *_, head, rule, first, second, last = text.splitlines()
    assert head == "| system | ravdess | emodb | mean | remarks |"
    assert {line.count("|") for line in (head, rule, first, second, last)} == {6}
    assert cells(first) == ["`better`", "50.0", "70.0", "60.0", ""]
    assert cells(second) == ["`our-net`", "50.0", "62.0", "56.0", ""]
    source = "[Doe 2020](https://example.org/doe)"
    assert cells(last) == ["Some net", "", "62.2", "", source]
    assert text.count("Some net") == 1


def test_adapted_and_few_shot_figures_have_their_curves(result: Result) -> None:
    def score(value: float) -> dict[str, object]:
        return {"uar": {"mean": value}, "harmed": {"mean": value / 10}}

    ways = {"random": {"0": score(0.5), "all": score(0.7)}}
    adapted = replace(result, protocol="emodb-loso-adapted", per_setting=ways)
    assert "| `our-net` | 50.0 (5) | 70.0 (7) |" in protocol_tables([adapted])
    shots = {
        "test-savee": {"others": {"1": score(0.4)}, "same": {"1": score(0.5), "2": score(0.6)}}
    }
    text = protocol_tables([replace(result, protocol="kshot", per_setting=shots)])
    assert "| `our-net` | savee | others | 40.0 |  |" in text
    assert "| `our-net` | savee | same | 50.0 | 60.0 |" in text


def test_each_published_figure_stands_once_with_its_source(repository: Path) -> None:
    ours = read_anchors(repository / "benchmarks/anchors.toml")
    assert len(ours) > 20
    kinds = [{"shared_speakers": shared} for shared in (False, True)]
    text = "\n".join(protocol_tables([], ours, **kind) for kind in kinds)
    for one in ours:
        (table,) = filter(None, (protocol_tables([], [one], **kind) for kind in kinds))
        *_, row = table.splitlines()
        assert text.count(row) == 1
        assert f" {one.value:.1f}" in row
        assert one.source in row
        assert one.url in row
        assert one.setting in row


def test_every_row_of_the_repository_that_can_be_timed_is(repository: Path) -> None:
    times = read_latency(repository / "benchmarks/results/latency.json")
    found = {one.recipe for one in results.read_results(repository / "benchmarks/results")}
    assert found <= times.recipes.keys(), "run: python benchmarks/latency.py"
    named = {
        one.latency for one in read_anchors(repository / "benchmarks/anchors.toml") if one.latency
    }
    assert named <= times.peers.keys()


def test_without_a_measurement_nothing_takes_time(tmp_path: Path) -> None:
    assert read_latency(tmp_path / "none.json") == Latency()


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", json.dumps({"recipes": {"a": {"milliseconds": "long"}}, "peers": {}})]
)
def test_a_broken_measurement_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "latency.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"latency\.json is no measurement of latency"):
        read_latency(path)
