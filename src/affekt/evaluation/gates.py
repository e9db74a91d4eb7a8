"""Limits that a command checks for a pipeline: ``--fail-if worse=1``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affekt.errors import ConfigError
from affekt.evaluation.compare import Comparison
from affekt.evaluation.metrics import Metrics


@dataclass(frozen=True)
class Measured:
    """A number that may have a limit, in points or percent.

    `highest` says whether the limit is the highest or the lowest value that passes; `value` is None
    where the data cannot tell it.
    """

    value: float | None
    highest: bool
    text: str


def of_comparison(comparison: Comparison) -> dict[str, Measured]:
    """Return what ``affekt compare`` can be failed by: the worst of all pairs."""
    uar = [-100 * pair.differences["uar"].value for pair in comparison.pairs]
    groups = [
        -100 * one.uar.value
        for pair in comparison.pairs
        for one in pair.groups
        if not one.too_small
    ]
    quarters = [comparison.fairness[model].worst_quarter for model in comparison.models]
    first = quarters[0]
    quarter = [100 * (first - one) for one in quarters[1:] if first is not None and one is not None]
    return {
        "worse": Measured(max(uar), True, "points of UAR lost"),
        "worse-group": Measured(
            max(groups, default=None), True, "points of UAR lost in one large enough group"
        ),
        "worse-quarter": Measured(
            max(quarter, default=None), True, "points of UAR lost by the worst quarter of speakers"
        ),
    }


def of_evaluation(metrics: Metrics) -> dict[str, Measured]:
    """Return what ``affekt evaluate`` can be failed by."""
    found = metrics.fairness
    quarter = None if found is None else found.worst_quarter
    return {
        "uar": Measured(100 * metrics.uar, False, "UAR in percent"),
        "ece": Measured(100 * metrics.ece, True, "calibration error in percent"),
        "gap": Measured(
            max((100 * gap.uar for gap in (found.gaps if found else ())), default=None),
            True,
            "points of UAR between two groups",
        ),
        "worst-quarter": Measured(
            None if quarter is None else 100 * quarter,
            False,
            "UAR of the worst quarter of speakers in percent",
        ),
    }


def parse_limits(words: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Return the limits by name.

    Raises
    ------
    ConfigError
        If one is not ``NAME=NUMBER`` with a name of these.
    """
    limits = {}
    for word in words:
        name, _, number = word.partition("=")
        try:
            limit = float(number)
        except ValueError:
            limit = math.nan
        if name not in names or not math.isfinite(limit):
            raise ConfigError(f"--fail-if {word}: write NAME=NUMBER with one of {', '.join(names)}")
        limits[name] = limit
    return limits


def failures(limits: Mapping[str, float], measured: Mapping[str, Measured]) -> list[str]:
    """Return a line for each limit that is passed, or that the data cannot tell."""
    lines = []
    for name, limit in limits.items():
        one = measured[name]
        if one.value is None:
            lines.append(f"{name}: the data cannot tell the {one.text}")
        elif one.value > limit if one.highest else one.value < limit:
            lines.append(f"{name}: {one.value:.1f} {one.text}, the limit is {limit:g}")
    return lines
