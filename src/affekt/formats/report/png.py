"""A figure for papers: one PNG, a row per recording. Needs matplotlib (extra ``train``)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.errors import MissingExtraError
from affekt.evaluation.fonts import any_script
from affekt.formats.report.exhibit import INK, Exhibit, color, ribbons
from affekt.formats.summary import in_words
from affekt.results import UNCERTAIN, Measurement, Segment, Track
from affekt.runtime.config import ModelConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from affekt.runtime.explain import Explanation

ROW_HEIGHT = 3.2  # inches
SPEAKER_HEIGHT = 0.3  # inches, of the ribbon of each speaker after the first
WAVE = "#0072b2"
NARROW = 0.05  # of the width; a narrower segment has three letters of its name
NARROWEST = 0.02  # one that is narrower still has none: names would lie over each other
DOTS_PER_INCH = 200


def require_matplotlib() -> None:
    """Raise :class:`MissingExtraError` where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("train", "matplotlib")


@any_script()
def plot(track: Track, ax: Axes | None = None) -> Axes:
    """Draw the ribbon of emotions of a time line.

    Parameters
    ----------
    track : Track
    ax : matplotlib Axes, optional
        Where to; by default those of a new figure of pyplot.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    if ax is None:
        from matplotlib import pyplot

        rows = len(ribbons(track))
        _, ax = pyplot.subplots(figsize=(9, 1 + SPEAKER_HEIGHT * rows), layout="constrained")
    assert ax is not None
    from matplotlib.ticker import AutoLocator

    _draw_ribbon(ax, track)
    ax.xaxis.set_major_locator(AutoLocator())
    ax.set_xlabel("seconds")
    return ax


@any_script()
def draw(exhibits: Sequence[Exhibit], config: ModelConfig, path: Path) -> None:
    """Draw waveforms, emotions and probabilities over time to a PNG file.

    Parameters
    ----------
    exhibits : sequence of Exhibit
        From :func:`affekt.formats.report.exhibit.exhibits`.
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

    voices = [len(ribbons(exhibit.track)) for exhibit in exhibits]
    more = [SPEAKER_HEIGHT * (count - 1) for count in voices]  # inches
    height = ROW_HEIGHT * len(exhibits) + sum(more) + 0.4
    figure = Figure(figsize=(9, height), layout="constrained")
    figure.suptitle(f"Emotion by {config.name}")
    ratios = [part for extra in more for part in (3, 1 + 8 * extra / ROW_HEIGHT, 4)]
    rows: Any = figure.subplots(3 * len(exhibits), 1, squeeze=False, height_ratios=ratios)
    for index, exhibit in enumerate(exhibits):
        wave, ribbon, map_ = rows[3 * index : 3 * index + 3, 0]
        _draw_wave(wave, exhibit)
        _draw_ribbon(ribbon, exhibit.track)
        _draw_probabilities(map_, exhibit, config.labels)
    figure.savefig(path, format="png", dpi=DOTS_PER_INCH)


@any_script()
def draw_explanation(explanation: Explanation, title: str, path: Path) -> None:
    """Draw what stretches and bands of a recording contribute to an emotion to a PNG file.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    said = f"{explanation.emotion}, {explanation.probability:.0%}"
    figure.suptitle(f"What speaks for {said} in {title}")
    time, band = figure.subplots(2, 1)
    times, bands = explanation.times, explanation.bands
    tint = color(explanation.emotion)
    heights = [one.contribution for one in times]
    widths = [one.end - one.start for one in times]
    time.bar([one.start for one in times], heights, widths, align="edge", color=tint)
    time.set_xlabel("seconds")
    names = [f"{one.low:.0f} to\n{one.high:.0f}" for one in bands]
    band.bar(names, [one.contribution for one in bands], color=tint)
    band.set_xlabel("Hz")
    for axes in (time, band):
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_ylabel("log odds")
    figure.savefig(path, format="png", dpi=DOTS_PER_INCH)


def _draw_wave(axes: Axes, exhibit: Exhibit) -> None:
    track = exhibit.track
    answer = exhibit.prediction
    said = f": {in_words(track.segments)}" if track.segments else ""
    if answer is not None:
        said = f": {answer.label} {answer.confidence:.0%}"
    axes.set_title(f"{track.file}{said}", fontsize="small", loc="left")
    if not len(exhibit.low):
        axes.set_axis_off()
        if track.error:
            axes.text(0, 0.5, track.error, wrap=True, va="center", fontsize="small")
        return
    times = np.linspace(0, track.duration, len(exhibit.low))
    axes.fill_between(times, exhibit.low, exhibit.high, color=WAVE, linewidth=0.5)
    _share_time(axes, track)
    axes.set_yticks([])


def _draw_ribbon(axes: Axes, track: Track) -> None:
    if not track.duration:
        axes.set_axis_off()
        return
    _share_time(axes, track)
    rows = ribbons(track)
    axes.set_yticks([at + 0.5 for at in range(len(rows))], list(rows), fontsize="small")
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows), 0)
    for row, segments in enumerate(rows.values()):
        for segment in segments:
            if segment.label != UNCERTAIN:  # nothing is known there, so nothing is drawn
                _draw_segment(axes, row, segment, track.duration)


def _draw_segment(axes: Axes, row: int, segment: Segment, duration: float) -> None:
    span = (segment.start, segment.duration)
    axes.broken_barh([span], (row + 0.04, 0.92), color=color(segment.label), linewidth=0)
    axes.vlines(segment.end, row, row + 1, color="white", linewidth=1)
    share = segment.duration / duration
    if share < NARROWEST:
        return
    narrow = share < NARROW
    axes.text(
        (segment.start + segment.end) / 2,
        row + 0.5,
        segment.label[:3] if narrow else segment.label,
        color=INK,
        fontsize=6 if narrow else 8,
        ha="center",
        va="center",
        clip_on=True,
    )


def _draw_probabilities(axes: Axes, exhibit: Exhibit, labels: Sequence[str]) -> None:
    """Draw a map of emotions over time in cividis, which is the same to the colour-blind."""
    measured = exhibit.measurements
    if measured:
        edges, heights = _cells(measured, labels)
    elif exhibit.prediction is not None:
        edges = np.array([0.0, exhibit.track.duration])
        heights = np.array([[exhibit.prediction.scores[name]] for name in labels])
    else:
        axes.set_axis_off()
        return
    drawn = axes.pcolormesh(
        edges, np.arange(len(labels) + 1), heights, cmap="cividis", vmin=0, vmax=1
    )
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize="small")
    axes.set_ylim(len(labels), 0)
    axes.set_xlim(0, exhibit.track.duration)
    axes.set_xlabel("seconds", fontsize="small")
    assert axes.figure is not None
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.03, pad=0.01, aspect=12)
    bar.set_label("probability", fontsize="small")


def _cells(measured: Sequence[Measurement], labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return edges [cells + 1] and heights [labels, cells]; pauses are cells of NaN."""
    edges, columns = [measured[0].start], []
    for one in measured:
        if one.start > edges[-1]:
            edges.append(one.start)
            columns.append([np.nan] * len(labels))
        edges.append(one.end)
        columns.append([one.scores[name] for name in labels])
    return np.array(edges), np.array(columns).T


def _share_time(axes: Axes, track: Track) -> None:
    axes.set_xlim(0, track.duration)
    axes.set_xticks([])
