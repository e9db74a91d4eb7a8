"""A reference is quiet where nothing has changed, and finds what has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affekt.errors import DataError
from affekt.evaluation.drift import Answers, build_reference, read_reference

LABELS = ("angry", "happy", "sad")
DIM = 12


def answers(
    count: int, seed: int, *, speakers: int = 20, shift: float = 0.0, snr: float = 30.0
) -> Answers:
    """Make answers up: every speaker has a voice of their own."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, speakers, count)
    voices = rng.normal(size=(speakers, DIM))
    embeddings = voices[who] * 0.3 + rng.normal(size=(count, DIM))
    embeddings[:, 5] += shift  # of which the label does not depend
    logits = embeddings[:, :3] * 2
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    noise = rng.normal(snr, 5, count)
    noise[rng.random(count) < 0.1] = np.nan
    return Answers(
        LABELS,
        powers / powers.sum(axis=1, keepdims=True),
        {"snr_db": noise, "ood_score": np.full(count, np.nan)},
        embeddings,
        [f"s{one}" for one in who],
    )


def test_new_speakers_alone_are_no_alarm() -> None:
    reference = build_reference(answers(2000, 0), window=50)
    windows = reference.windows(answers(2000, 1))
    assert len(windows) == 40
    assert sum(one.alarm for one in windows) <= 3


def test_a_number_that_never_varies_gives_no_alarm() -> None:
    plain = [answers(1000, seed) for seed in (0, 1)]
    for one in plain:
        one.numbers["clipped"] = np.zeros(1000)  # type: ignore[index]
    plain[1].numbers["clipped"][::50] = 0.01  # one in a window
    reference = build_reference(plain[0], window=50)
    windows = reference.windows(plain[1])
    assert max(one.quotients["clipped"] for one in windows) < 0.5


@pytest.mark.parametrize(
    ("changed", "culprit"),
    [({"shift": 1.5}, "embedding"), ({"snr": 15.0}, "snr_db")],
)
def test_a_shift_is_found_and_named(changed: dict[str, float], culprit: str) -> None:
    reference = build_reference(answers(1000, 0), window=50)
    windows = reference.windows(answers(500, 2, **changed))  # type: ignore[arg-type]
    assert all(one.alarm for one in windows)
    assert next(iter(windows[0].quotients)) == culprit
    assert "ood_score" not in windows[0].statistics  # nothing is known of it


def test_a_reference_is_the_same_after_reading(tmp_path: Path) -> None:
    reference = build_reference(answers(500, 0), window=50)
    path = tmp_path / "reference.json"
    reference.write(path)
    other = answers(50, 1)
    assert read_reference(path).check(other) == reference.check(other)
    assert '"s1"' not in path.read_text()  # no names


def test_without_embeddings_and_speakers_the_rest_counts() -> None:
    bare = [replace(answers(500, seed), embeddings=None, speakers=()) for seed in (0, 1)]
    reference = build_reference(bare[0], window=50)
    assert set(reference.check(bare[1].at(np.arange(50))).statistics) == {
        *("label", "confidence", "snr_db")
    }
    full = build_reference(answers(500, 0), window=50)
    assert "embedding" not in full.check(bare[1].at(np.arange(50))).statistics


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few for a reference"):
        build_reference(answers(100, 0))
    reference = build_reference(answers(500, 0), window=50)
    with pytest.raises(DataError, match="fewer than a window"):
        reference.windows(answers(49, 0))
    with pytest.raises(DataError, match="these have a, b, c"):
        reference.check(replace(answers(50, 0), labels=("a", "b", "c")))
    short = answers(50, 0)
    with pytest.raises(DataError, match="embeddings have 5 numbers"):
        reference.check(replace(short, embeddings=np.zeros((50, 5))))
    path = tmp_path / "reference.json"
    with pytest.raises(DataError, match="cannot read the reference"):
        read_reference(path)
    for text in ("{", "[]", "{}", '{"format_version": 1}'):
        path.write_text(text)
        with pytest.raises(DataError, match="is no reference"):
            read_reference(path)
    path.write_text(json.dumps({"format_version": 99}))
    with pytest.raises(DataError, match="later version"):
        read_reference(path)
