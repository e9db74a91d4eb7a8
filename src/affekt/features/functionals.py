"""From frames to one number per clip: mean, spread, percentiles and slope."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PERCENTILES = (10, 50, 90)

FUNCTIONALS = ("mean", "sd", *(f"p{percent}" for percent in PERCENTILES), "slope")
"""What is told of each frame feature, in the order of the columns ``<feature>_<functional>``."""


def functionals(frames: Mapping[str, np.ndarray], hop: float) -> dict[str, float]:
    """Return the functionals of frame features.

    Frames that are NaN (such as the pitch where there is no voice) are left out. Where none is
    left, all functionals are NaN; the slope needs two.

    Parameters
    ----------
    frames : mapping of str to np.ndarray [shape=(frames,)]
        Features by name, all of one length.
    hop : float
        Seconds from one frame to the next.

    Returns
    -------
    dict of str to float
        ``<feature>_<functional>``: the mean, the standard deviation (of the population), the
        percentiles (linear between ranks), and the slope of the least-squares line, in units of
        the feature per second.
    """
    result: dict[str, float] = {}
    if not frames:
        return result
    values = np.stack([np.asarray(column, dtype=np.float64) for column in frames.values()], axis=1)
    rows = functional_rows(values, hop)  # [features, functionals]
    for name, row in zip(frames, rows.tolist(), strict=True):
        for functional, value in zip(FUNCTIONALS, row, strict=True):
            result[f"{name}_{functional}"] = value
    return result


def functional_rows(values: np.ndarray, hop: float) -> np.ndarray:
    """Return the functionals of features [frames, features]: [features, functionals]."""
    result = np.full((values.shape[1], len(FUNCTIONALS)), np.nan)
    present = np.isfinite(values)
    whole = present.all(axis=0)
    times = np.arange(len(values)) * hop
    if len(values):
        result[whole] = _of_complete(values[:, whole], times)
    for column in np.flatnonzero(~whole):
        kept = present[:, column]
        if kept.any():
            result[column] = _of_complete(values[kept, column, None], times[kept])[0]
    return result


def _of_complete(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the functionals of features without gaps, at times in seconds."""
    mean = values.mean(axis=0)
    deviations = values - mean
    sd = np.sqrt(np.mean(np.square(deviations), axis=0))
    percentiles = _percentiles(np.sort(values, axis=0))
    centred = times - times.mean()
    spread = centred @ centred
    slope = centred @ deviations / spread if spread > 0 else np.full(len(mean), np.nan)
    return np.stack([mean, sd, *percentiles, slope], axis=1)


def _percentiles(ordered: np.ndarray) -> list[np.ndarray]:
    """Return the percentiles of sorted features [frames, features], as ``np.percentile``."""
    found = []
    for percent in PERCENTILES:
        rank = (len(ordered) - 1) * percent / 100
        low = int(rank)
        high = min(low + 1, len(ordered) - 1)
        found.append(ordered[low] + (rank - low) * (ordered[high] - ordered[low]))
    return found
