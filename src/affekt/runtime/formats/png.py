"""Predictions as a picture: one PNG, a row per recording. Needs matplotlib (extra ``train``)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affekt.audio import load_audio
from affekt.errors import MissingExtraError
from affekt.runtime.config import ModelConfig
from affekt.runtime.formats import Outcome
from affekt.runtime.formats.svg import envelope

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_HEIGHT = 1.9  # inches
FIRST, OTHER = "#0072b2", "#9cc3dc"  # dark and light blue: told apart without colour vision


def require_matplotlib() -> None:
    """Raise :class:`MissingExtraError` where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("train", "matplotlib")


def draw(outcomes: Sequence[Outcome], config: ModelConfig, path: Path) -> None:
    """Draw each waveform with its probabilities to a PNG file.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The waveform is drawn from the file again; one that came from stdin has none.
    config : ModelConfig
        The model that gave the answers; named in the title.
    path : Path

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    # Figure itself, not pyplot, which keeps global state and looks for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, ROW_HEIGHT * len(outcomes) + 0.5), layout="constrained")
    figure.suptitle(f"Emotion as heard by {config.name}")
    rows: Any = figure.subplots(len(outcomes), 2, squeeze=False, width_ratios=(3, 2))
    for (left, right), outcome in zip(rows, outcomes, strict=True):
        _draw_wave(left, outcome)
        _draw_scores(right, outcome)
    figure.savefig(path, format="png", dpi=120)


def _draw_wave(axes: Axes, outcome: Outcome) -> None:
    axes.set_title(outcome.file, fontsize="small", loc="left")
    axes.set_yticks([])
    if outcome.prediction is None or outcome.file == "-":
        axes.set_axis_off()
        return
    low, high = envelope(load_audio(outcome.file))
    times = [outcome.prediction.duration * i / len(low) for i in range(len(low))]
    axes.fill_between(times, low, high, color=FIRST, linewidth=0.5)
    axes.set_xlabel("seconds", fontsize="small")


def _draw_scores(axes: Axes, outcome: Outcome) -> None:
    if outcome.prediction is None:
        axes.set_axis_off()
        axes.text(0, 0.5, outcome.error, wrap=True, va="center", fontsize="small")
        return
    ranked = outcome.prediction.ranked()[::-1]
    colors = [OTHER] * (len(ranked) - 1) + [FIRST]
    bars = axes.barh([name for name, _ in ranked], [score for _, score in ranked], color=colors)
    axes.bar_label(bars, [f"{score:.0%}" for _, score in ranked], padding=3, fontsize="small")
    axes.set_xlim(0, 1.15)
    axes.set_xticks([])
    axes.tick_params(labelsize="small")
