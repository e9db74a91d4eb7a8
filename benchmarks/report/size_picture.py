"""UAR against the size of the model, ours beside what others have published, as one picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from affekt.evaluation.protocols import PROTOCOLS
from affekt.evaluation.results import Result
from affekt.files import atomic_path
from report.anchors import Anchor

SHOWN = ("ravdess-luna5", "emodb-loso", "cremad-tfds")
"""The protocols that have a panel."""

LOOKS = {
    "one model": {"marker": "o", "color": "#0b5cad"},
    "several models": {"marker": "D", "color": "#7a3fa0"},
    "published, same protocol": {"marker": "o", "color": "#b3470b", "markerfacecolor": "none"},
    "published, other protocol": {"marker": "s", "color": "#59636e", "markerfacecolor": "none"},
}
"""How a point is drawn, by what it stands for."""


class Point(NamedTuple):
    """A figure in percent; without a number of parameters it is a line across the panel."""

    label: str
    parameters: int | None
    value: float
    sd: float
    look: str


def points_of(protocol: str, results: Iterable[Result], anchors: Iterable[Anchor]) -> list[Point]:
    """Return what the panel of a protocol shows, best first."""
    points = [
        Point(
            one.recipe + (" (adapted)" if one.adapted else ""),
            max(one.parameters, 1),
            100 * one.uar.mean,
            100 * one.uar.sd if len(one.seeds) > 1 else 0.0,
            "several models" if one.ensemble else "one model",
        )
        for one in results
        if one.protocol == protocol
    ]
    for other in anchors:
        if other.beside(protocol):
            same = "same" if other.same_as(protocol) else "other"
            size = f", {other.size}" if other.size else ""
            label = other.system if other.parameters else f"{other.system}{size}"
            sd = other.sd or 0.0
            points.append(
                Point(label, other.parameters, other.value, sd, f"published, {same} protocol")
            )
    return sorted(points, key=lambda point: -point.value)


def draw_uar_by_size(results: Sequence[Result], anchors: Sequence[Anchor], path: Path) -> None:
    """Draw a panel for each protocol of `SHOWN`.

    Parameters
    ----------
    results : sequence of Result
        Ours; those of other protocols are left out.
    anchors : sequence of Anchor
        Those of the same corpus and classes are shown. One of unknown size is a line.
    path : Path
        The picture, as SVG.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Text stays text, and the same figures give the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "affekt", "font.size": 8}):
        figure = Figure(figsize=(9, 4.2 * len(SHOWN)), layout="constrained")
        for axes, protocol in zip(figure.subplots(len(SHOWN)), SHOWN, strict=True):
            axes.set(xscale="log", xlim=(1e3, 1e9), ylabel="UAR (%)")
            axes.set_title(f"{protocol}: {PROTOCOLS[protocol].description}", loc="left")
            axes.grid(color="#e3e7ec")
            _draw_points(axes, points_of(protocol, results, anchors))
        axes.set_xlabel("parameters; a line: unknown, or people. Bars: deviation over seeds")
        for name, look in LOOKS.items():
            axes.plot([], [], linestyle="", label=name, **look)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        with atomic_path(path) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})


def _draw_points(axes: Any, points: Sequence[Point]) -> None:
    """Draw points and their labels, each label below the one before it where they would touch."""
    values = [point.value for point in points] or [50.0]
    low, high = min(values) - 8, min(max(values) + 6, 103)
    axes.set_ylim(low, high)
    height = 0.034 * (high - low)  # of a line of text, in percent
    taken: list[tuple[float, float]] = []
    for label, parameters, value, sd, look in points:
        if parameters is None:
            axes.axhline(value, color=LOOKS[look]["color"], linewidth=0.7, linestyle="--")
            label = f"{label}: {value:.1f} %"
        else:
            axes.errorbar(parameters, value, sd or None, capsize=3, linestyle="", **LOOKS[look])
        x = 1.1e3 if parameters is None else 1.25 * parameters
        wide = 10 ** (0.066 * len(label))  # factor that a text of that length spans on the axis
        y = value + height / 2
        while any(
            abs(y - other_y) < height and other_x < x * wide
            for other_x, other_y in taken
            if other_x * 30 > x
        ):
            y -= height / 4
        taken.append((x, y))
        axes.annotate(
            label,
            (parameters or x, value),
            (x, y),
            va="center",
            arrowprops={"arrowstyle": "-", "linewidth": 0.3} if value - y > height else None,
        )


def picture_in_words(results: Iterable[Result], anchors: Iterable[Anchor]) -> str:
    """Return the best figures of the picture in sentences, for those who cannot see it."""
    results, anchors = list(results), list(anchors)
    sentences = []
    for protocol in SHOWN:
        own = [one for one in results if one.protocol == protocol]
        same = [one for one in anchors if one.beside(protocol) and one.same_as(protocol)]
        if own:
            best = max(own, key=lambda one: one.uar.mean)
            sentences.append(
                f"{protocol}: our best is {best.recipe}, {100 * best.uar.mean:.1f} % with "
                f"{_count(best.parameters)} parameters"
            )
            if same:
                other = max(same, key=lambda one: one.value)
                score = " of accuracy" if other.score == "accuracy" else ""
                sentences[-1] += f"; published: {other.system}, {other.value:.1f} %{score}"
    return ". ".join(sentences) + "." if sentences else "Nothing was measured yet."


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M" if parameters >= 100_000 else f"{parameters / 1e3:.0f} k"
