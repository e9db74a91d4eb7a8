"""Baselines from unlabelled clips of the same speaker."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from affekt.errors import DataError
from affekt.evaluation.adapted import (
    ALL,
    COUNTS,
    WAYS,
    Plan,
    adapted_answers,
    join_folds,
    summarise_adapted,
)

LABELS = ("angry", "happy", "neutral", "sad")
SPEAKERS = 8
CLIPS = 48  # of each speaker, 12 of each class


@pytest.fixture(scope="module")
def voices() -> tuple[NDArray[Any], NDArray[Any], list[str]]:
    """Embeddings of classes that are far apart, and of speakers that are farther apart still."""
    generator = np.random.default_rng(0)
    targets = np.tile(np.arange(len(LABELS)), SPEAKERS * CLIPS // len(LABELS))
    owner = np.repeat(np.arange(SPEAKERS), CLIPS)
    shifts = generator.normal(scale=3.0, size=(SPEAKERS, len(LABELS)))
    noise = generator.normal(scale=0.4, size=(len(targets), len(LABELS)))
    embeddings = 2 * np.eye(len(LABELS))[targets] + shifts[owner] + noise
    return embeddings, targets, [f"speaker {number}" for number in owner]


def nearest(embeddings: NDArray[Any], baseline: NDArray[Any] | None) -> NDArray[Any]:
    """Score by what is left when the baseline is gone."""
    return embeddings if baseline is None else embeddings - baseline


class Recorder:
    """A system that remembers what it was asked; its embeddings tell the clips apart."""

    def __init__(self, clips: int) -> None:
        self.embeddings = np.eye(clips)
        self.calls: list[tuple[NDArray[Any], NDArray[Any] | None]] = []

    def scores(self, embeddings: NDArray[Any], baseline: NDArray[Any] | None) -> NDArray[Any]:
        self.calls.append((embeddings.argmax(axis=1), baseline))
        return np.zeros((len(embeddings), len(LABELS)))


@pytest.fixture(scope="module")
def recorded(voices: tuple[NDArray[Any], NDArray[Any], list[str]]) -> dict[str, Any]:
    """What a system is asked with the prior at the origin, by way, number of clips and draw."""
    _, targets, speakers = voices
    recorder = Recorder(len(targets))
    plan = Plan(draws=5)
    answers = adapted_answers(
        recorder.embeddings, targets, speakers, recorder.scores, LABELS,
        prior=np.zeros(len(targets)), plan=plan,
    )  # fmt: skip
    plain, *others = recorder.calls
    assert plain[1] is None
    counts = [count for count in COUNTS if count != "0"]
    keys = [(draw, way, count) for draw in range(5) for way in WAYS for count in counts]
    return {"answers": answers, "calls": dict(zip(keys, others, strict=True))}


def used_clips(baseline: NDArray[Any]) -> list[NDArray[Any]]:
    return [np.flatnonzero(row) for row in baseline]


def test_the_scored_clips_are_the_same_for_every_number_and_way(recorded: dict[str, Any]) -> None:
    scored = []
    for draw in range(5):
        asked = [tuple(clips) for key, (clips, _) in recorded["calls"].items() if key[0] == draw]
        assert len(set(asked)) == 1
        scored += asked[0]
    assert sorted(scored) == list(range(SPEAKERS * CLIPS))  # five draws score every clip once


def test_a_baseline_is_of_the_same_speaker_and_never_of_scored_clips(
    recorded: dict[str, Any], voices: tuple[NDArray[Any], NDArray[Any], list[str]]
) -> None:
    speakers = np.array(voices[2])
    for (_, way, count), (clips, baseline) in recorded["calls"].items():
        for clip, used in zip(clips, used_clips(baseline), strict=True):
            assert set(speakers[used]) == {speakers[clip]}
            if count == ALL and way != "one-emotion":  # cross-fitted: every other clip
                assert set(used) == set(np.flatnonzero(speakers == speakers[clip])) - {clip}
            else:
                assert not set(used) & set(clips)


def test_the_number_of_clips_and_the_weight_of_the_prior(recorded: dict[str, Any]) -> None:
    for (_, way, count), (_, baseline) in recorded["calls"].items():
        for row, used in zip(baseline, used_clips(baseline), strict=True):
            if count != ALL and way == "random":
                assert len(used) == int(count)
            np.testing.assert_allclose(row[used], 1 / (len(used) + 8))  # n / (n + 8) * 1 / n
    for (way, count), answer in recorded["answers"].items():
        if way == "random":
            expected = {"0": 0, ALL: CLIPS - 1}.get(count, count)
            assert answer.clips == pytest.approx(float(expected), abs=0.3)


def test_more_clips_keep_those_that_were_there(recorded: dict[str, Any]) -> None:
    for (draw, way, count), (_, baseline) in recorded["calls"].items():
        if count == "8":
            fewer = used_clips(recorded["calls"][draw, way, "4"][1])
            for small, large in zip(fewer, used_clips(baseline), strict=True):
                assert set(small) <= set(large)


def test_four_of_five_are_neutral_while_there_are_any(
    recorded: dict[str, Any], voices: tuple[NDArray[Any], NDArray[Any], list[str]]
) -> None:
    targets = voices[1]
    for count, neutral in (("1", 1), ("4", 4), ("8", 7)):
        for draw in range(5):
            for used in used_clips(recorded["calls"][draw, "neutral", count][1]):
                assert (targets[used] == LABELS.index("neutral")).sum() == neutral


def test_one_emotion_alone(
    recorded: dict[str, Any], voices: tuple[NDArray[Any], NDArray[Any], list[str]]
) -> None:
    chosen = set()
    for (_, way, _), (_, baseline) in recorded["calls"].items():
        if way == "one-emotion":
            for used in used_clips(baseline):
                assert len(set(voices[1][used])) == 1
                assert len(used) <= 12
                chosen |= set(voices[1][used])
    assert chosen == {0, 1, 2, 3}


def test_what_baselines_are_worth(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]],
) -> None:
    embeddings, targets, speakers = voices
    answers = adapted_answers(embeddings, targets, speakers, nearest, LABELS, fold="1")
    scores = summarise_adapted([answers], LABELS)
    assert list(scores) == list(WAYS)
    assert list(scores["random"]) == list(COUNTS)
    uars = [scores["random"][count].uar.mean for count in ("0", "2", "8", "32")]
    assert uars[0] < 0.6
    assert uars == sorted(uars)
    assert uars[-1] > 0.97
    assert scores["random"][ALL].harmed.mean == 0
    assert scores["random"]["0"].harmed.mean == 0
    assert scores["random"]["0"].clips == 0
    # A baseline of one emotion takes the emotion out with the voice.
    assert scores["one-emotion"][ALL].uar.mean < scores["random"]["8"].uar.mean
    for way in WAYS:
        assert scores[way]["0"] == scores["random"]["0"]
        for one in scores[way].values():
            assert one.worst_quarter.mean <= one.uar.mean + 1e-9
            low, high = one.uar.ci95 or (1, 0)
            assert low <= one.uar.mean <= high


def test_a_harmful_baseline_is_seen(voices: tuple[NDArray[Any], NDArray[Any], list[str]]) -> None:
    _, targets, speakers = voices
    perfect = np.eye(len(LABELS))[targets]

    def confused(embeddings: NDArray[Any], baseline: NDArray[Any] | None) -> NDArray[Any]:
        return embeddings if baseline is None else -embeddings

    scores = summarise_adapted(
        [adapted_answers(perfect, targets, speakers, confused, LABELS)], LABELS
    )
    assert scores["random"]["0"].uar.mean == 1
    assert scores["random"]["1"].harmed.mean == 1
    assert scores["random"]["1"].harmed_much.mean == 1
    assert scores["random"]["1"].worst_quarter.mean < 0.5


def test_the_prior_keeps_few_clips_from_harm(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]],
) -> None:
    embeddings, targets, speakers = voices
    same = adapted_answers(
        embeddings, targets, speakers, nearest, LABELS, prior=np.zeros(4), plan=Plan(prior_clips=0)
    )
    plain = adapted_answers(embeddings, targets, speakers, nearest, LABELS)
    for key, answer in plain.items():
        np.testing.assert_array_equal(
            answer.predictions.probabilities, same[key].predictions.probabilities
        )
    shrunk = adapted_answers(embeddings, targets, speakers, nearest, LABELS, prior=np.zeros(4))
    key = ("random", "1")
    assert not np.allclose(
        shrunk[key].predictions.probabilities, plain[key].predictions.probabilities
    )


def test_speakers_that_nobody_knows_are_left_out(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]],
) -> None:
    embeddings, targets, speakers = voices
    nameless = ["" if name == "speaker 0" else name for name in speakers]
    answers = adapted_answers(embeddings, targets, nameless, nearest, LABELS)
    counted = answers["random", "4"].predictions
    assert set(counted.speakers) == set(speakers) - {"speaker 0"}
    assert len(counted.speakers) == 4 * (SPEAKERS - 1) * CLIPS
    with pytest.raises(DataError, match="no clip has a known speaker"):
        adapted_answers(embeddings, targets, [""] * len(targets), nearest, LABELS)


def test_a_speaker_with_a_single_clip_is_answered_without(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]],
) -> None:
    embeddings, targets, speakers = voices
    alone = ["alone", *speakers[1:]]
    answers = adapted_answers(embeddings, targets, alone, nearest, LABELS)
    rows = [
        np.asarray(answers["random", count].predictions.probabilities)[
            np.array(answers["random", count].predictions.speakers) == "alone"
        ]
        for count in ("0", "8")
    ]
    np.testing.assert_array_equal(*rows)


def test_nobody_is_neutral(voices: tuple[NDArray[Any], NDArray[Any], list[str]]) -> None:
    embeddings, targets, speakers = voices
    labels = ("angry", "happy", "boredom", "sad")
    answers = adapted_answers(embeddings, targets, speakers, nearest, labels)
    assert {way for way, _ in answers} == {"random", "one-emotion"}


def test_folds_together(voices: tuple[NDArray[Any], NDArray[Any], list[str]]) -> None:
    embeddings, targets, speakers = voices
    half = len(targets) // 2
    folds = [
        adapted_answers(embeddings[own], targets[own], speakers[own], nearest, LABELS, fold=name)
        for name, own in (("a", slice(half)), ("b", slice(half, None)))
    ]
    together = join_folds(folds)
    assert set(together) == set(folds[0])
    assert len(together["random", "8"].predictions.speakers) == 4 * len(targets)
    scores = summarise_adapted([together], LABELS, mean_of_folds=True)
    alone = [summarise_adapted([fold], LABELS)["random"]["8"].uar.mean for fold in folds]
    assert scores["random"]["8"].uar.mean == pytest.approx(np.mean(alone))
    with pytest.raises(DataError, match="no answers"):
        join_folds([])


def test_the_same_seed_draws_the_same(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]],
) -> None:
    embeddings, targets, speakers = voices
    key = ("random", "2")
    one, two, three = (
        adapted_answers(embeddings, targets, speakers, nearest, LABELS, plan=Plan(seed=seed))[key]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.predictions.probabilities, two.predictions.probabilities)
    assert not np.array_equal(one.predictions.probabilities, three.predictions.probabilities)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"draws": 7}, "7 draws: take a multiple of 5"),
        ({"counts": ("0", "3")}, "unknown counts 3"),
        ({"ways": ("best",)}, "unknown ways best"),
    ],
)
def test_impossible_plans(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Plan(**changes)


def test_input_that_does_not_fit(voices: tuple[NDArray[Any], NDArray[Any], list[str]]) -> None:
    embeddings, targets, speakers = voices
    with pytest.raises(DataError, match="384 embeddings, 384 targets and 3 speakers"):
        adapted_answers(embeddings, targets, speakers[:3], nearest, LABELS)
    with pytest.raises(DataError, match=r"embeddings must be \[clips, dim\]"):
        adapted_answers(embeddings[0], targets, speakers, nearest, LABELS)
    broken = embeddings.copy()
    broken[5, 1] = np.nan
    with pytest.raises(DataError, match="the embedding of clip 5 is not finite"):
        adapted_answers(broken, targets, speakers, nearest, LABELS)
