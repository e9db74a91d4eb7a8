from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affekt import Baseline
from affekt.errors import DataError

DIM = 3
ONES = np.ones(DIM, dtype=np.float32)
WEIGHTS = np.eye(DIM, dtype=np.float32)


def empty(model: str = "m", head: str = "h", dim: int = DIM) -> Baseline:
    return Baseline(model, head, np.zeros(dim), 0.0, 0)


def of(rows: np.ndarray, before: Baseline | None = None) -> Baseline:
    return (before or empty()).updated(rows, np.square(rows - 1).mean(axis=1))


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(2, 1, (count, DIM))


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 99))
def test_it_is_the_mean_however_it_comes_together(sizes: list[int], seed: int) -> None:
    rows = points(sum(sizes), seed)
    parts = np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []
    one_by_one, merged = empty(), empty()
    for part in parts:
        one_by_one = of(part, one_by_one)
        merged = merged.merged(of(part))
    for found in (one_by_one, merged):
        assert found.count == len(rows)
        np.testing.assert_allclose(found.mean, rows.mean(axis=0) if len(rows) else np.zeros(DIM))
        square = np.square(rows - 1).mean() if len(rows) else 0.0
        assert found.mean_square == pytest.approx(square)


def test_few_recordings_are_trusted_less() -> None:
    assert not empty().shift(ONES, WEIGHTS).any()
    same = np.full((8, DIM), 2.0)  # they do not differ, so that the mean is sure
    np.testing.assert_allclose(of(same).shift(ONES, WEIGHTS), np.full(DIM, 0.5), rtol=1e-6)
    assert of(points(8000)).weight(ONES, WEIGHTS) > 0.98


@pytest.mark.parametrize(("seed", "count"), [(0, 2), (1, 8), (2, 8), (3, 200)])
def test_what_chance_explains_is_not_taken_out(seed: int, count: int) -> None:
    """By the textbook: the variance of the mean against its square."""
    rows = points(count, seed)
    apart = rows.mean(axis=0) - 1
    error = rows.var(axis=0, ddof=1).mean() / count
    weight = max(0.0, 1 - 3 * error / np.square(apart).mean())
    expected = weight * count / (count + 8) * apart
    np.testing.assert_allclose(of(rows).shift(ONES, WEIGHTS), expected, rtol=1e-5, atol=1e-7)


def test_the_mean_of_chance_is_not_taken_out() -> None:
    around = points(40) - points(40).mean(axis=0) + 1
    assert not of(around).shift(ONES, WEIGHTS).any()
    assert not of(points(1)).shift(ONES, WEIGHTS).any()  # one does not tell its variance


def test_a_file_comes_back(tmp_path: Path) -> None:
    baseline = of(points(5), empty("base", "0123"))
    baseline.save(tmp_path / "me.json")
    found = Baseline.load(tmp_path / "me.json")
    assert (found.model, found.head, found.count) == ("base", "0123", 5)
    np.testing.assert_allclose(found.mean, baseline.mean, rtol=1e-6)
    assert found.mean_square == baseline.mean_square


def changed(**values: object) -> str:
    good = {"format_version": 1, "model": "m", "head": "h", "count": 2}
    good |= {"mean": [0.5, 1.0], "mean_square": 2.0}
    return json.dumps({"affekt_baseline": {**good, **values}})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no baseline of affekt, or damaged"),
        (changed()[:-9], "no baseline of affekt, or damaged"),
        ("[]", "no baseline of affekt, or damaged"),
        ("[" * 100_000, "no baseline of affekt, or damaged"),
        ('{"affekt_baseline": 3}', "no baseline of affekt, or damaged"),
        (changed(format_version=9), "newer than this affekt reads"),
        (changed(mean=[0.5, float("nan")]), "impossible numbers"),
        (changed(mean=[1e999]), "impossible numbers"),
        (changed(mean=[]), "impossible numbers"),
        (changed(mean=["x"]), "impossible numbers"),
        (changed(mean="12"), "impossible numbers"),
        (changed(model="m" * 1000), "impossible numbers"),
        (changed(mean=None), "impossible numbers"),
        (changed(mean=[-1e30, 1]), "impossible numbers"),
        (changed(mean_square=-1), "impossible numbers"),
        (changed(mean_square=float("nan")), "impossible numbers"),
        (changed(mean_square=None), "impossible numbers"),
        (changed(count=0), "of no recordings"),
        (changed(count=-1), "impossible numbers"),
        (changed(count=True), "impossible numbers"),
        (changed(count=10**400), "impossible numbers"),
        (changed(model=5), "impossible numbers"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "me.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told) as raised:
        Baseline.load(file)
    assert str(file) in str(raised.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Baseline.load(tmp_path / "absent.json")
    (tmp_path / "sound.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="it is no text"):
        Baseline.load(tmp_path / "sound.json")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="different models, m and other"):
        empty().merged(empty("other", "x"))
    with pytest.raises(DataError, match=r"takes embeddings \[n, 3\], got the shape \[2\]"):
        empty().updated([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(DataError, match=r"me\.json: the baseline is of no recordings"):
        empty().save("me.json")
    with pytest.raises(DataError, match="not finite"):
        empty().updated([[1.0, 2.0, np.nan]], [1.0])
    with pytest.raises(DataError, match="not finite"):
        empty().updated([[1.0, 2.0, 3.0]], [np.inf])
