"""Long recordings in parts: which parts, and what counts of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affekt.runtime.parts import RunningMean, cut

SIZE = 10


@given(st.lists(st.integers(0, 45), min_size=1, max_size=8))
def test_parts_are_the_recording_and_none_of_several_is_a_sliver(lengths: list[int]) -> None:
    samples = np.arange(sum(lengths), dtype=np.float32)
    blocks = np.split(samples, np.cumsum(lengths)[:-1])
    parts = list(cut(blocks, SIZE))
    np.testing.assert_array_equal(np.concatenate(parts), samples)
    assert all(len(part) <= SIZE for part in parts)
    assert len(parts) == 1 or all(len(part) >= SIZE // 2 for part in parts)
    for part, other in zip(parts, cut([samples], SIZE), strict=True):  # however it came
        np.testing.assert_array_equal(part, other)


def test_several_recordings_are_cut_at_once() -> None:
    samples = np.arange(50, dtype=np.float32).reshape(2, 25)
    assert [part.shape for part in cut([samples], SIZE)] == [(2, 10), (2, 8), (2, 7)]


def test_long_parts_count_for_more_and_silence_for_nothing() -> None:
    means = RunningMean()
    loud, silent = np.full((1, 30), 0.1, np.float32), np.zeros((1, 500), np.float32)
    for scores, strength, samples in (
        ([1.0, 0.0], 0.2, loud),
        ([0.0, 1.0], 0.6, loud[:, :10]),
        ([0.5, 0.5], 1.0, silent),
    ):
        outputs = {"probabilities": np.float32([scores]), "intensity": np.float32([strength])}
        means.add(outputs, samples)
    found = means.means()
    np.testing.assert_allclose(found["probabilities"], [[0.75, 0.25]], atol=1e-6)
    assert found["intensity"] == pytest.approx(0.3, abs=1e-6)


def test_of_silence_all_parts_count() -> None:
    means = RunningMean()
    for answer in (0.2, 0.4):
        means.add({"intensity": np.float32([answer])}, np.zeros((1, 10), np.float32))
    assert means.means()["intensity"] == pytest.approx(0.3)
