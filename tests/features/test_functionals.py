"""One number per clip: what it means, and what gaps do to it."""

from __future__ import annotations

import numpy as np
import pytest

from affekt.features import FUNCTIONALS, PERCENTILES, functionals

HOP = 0.01


def test_their_meaning() -> None:
    values = np.random.default_rng(0).normal(3, 2, 500)
    found = functionals({"x": values}, HOP)
    assert list(found) == [f"x_{name}" for name in FUNCTIONALS]
    assert found["x_mean"] == pytest.approx(np.mean(values))
    assert found["x_sd"] == pytest.approx(np.std(values))
    for percent in PERCENTILES:
        assert found[f"x_p{percent}"] == pytest.approx(np.percentile(values, percent))
    slope = np.polyfit(np.arange(500) * HOP, values, 1)[0]
    assert found["x_slope"] == pytest.approx(slope)


def test_the_slope_is_per_second() -> None:
    assert functionals({"x": 7 + 5 * HOP * np.arange(30)}, HOP)["x_slope"] == pytest.approx(5)


def test_gaps_are_left_out_but_keep_their_time() -> None:
    line = 1 + 2 * HOP * np.arange(50)
    line[10:30] = np.nan
    found = functionals({"x": line, "y": np.ones(50)}, HOP)
    assert found["x_slope"] == pytest.approx(2)
    assert found["x_mean"] == pytest.approx(np.nanmean(line))
    assert found["x_p90"] == pytest.approx(np.nanpercentile(line, 90))
    assert found["y_mean"] == 1


def test_nothing_but_gaps_is_nan() -> None:
    found = functionals({"x": np.full(9, np.nan)}, HOP)
    assert np.isnan(list(found.values())).all()


def test_one_frame_has_no_slope() -> None:
    found = functionals({"x": np.array([4.0])}, HOP)
    assert found.pop("x_sd") == 0
    assert np.isnan(found.pop("x_slope"))
    assert set(found.values()) == {4.0}


def test_no_frames_and_no_features() -> None:
    assert np.isnan(list(functionals({"x": np.zeros(0)}, HOP).values())).all()
    assert functionals({}, HOP) == {}
