"""What went right and wrong, for people: text, JSON and pictures.

The pictures need matplotlib, which comes with ``pip install 'affekt[train]'``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError, MissingExtraError
from affekt.evaluation.dimensions import Agreement
from affekt.evaluation.fonts import any_script
from affekt.evaluation.intensity import KNOWN_FROM, RankCorrelation
from affekt.evaluation.metrics import SCORES, Fairness, Metrics, Reliability, reliability
from affekt.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "uar": "UAR",
    "wa": "WA",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "ece": "ECE",
}
"""What the scores are called in texts and tables."""

CHANCE = 0.05
"""The p value from which on chance explains a gap."""
RESOLUTION = 150  # dots per inch
_BLUE, _ORANGE, _GREY = "#9ECAE1", "#D55E00", "#666666"  # distinct for colour-blind readers too


def confusion_text(confusion: npt.ArrayLike, labels: Sequence[str]) -> str:
    """Return a confusion matrix as lines of text, with the recall of each class at the right.

    Parameters
    ----------
    confusion : array of int [shape=(classes, classes)]
        Clips by true class (row) and predicted class (column).
    labels : sequence of str
        Names of the classes.

    Raises
    ------
    DataError
        If the matrix is not square or does not fit the labels.
    """
    counts = _square(confusion, labels)
    head = ["true \\ predicted", *labels, "clips", "recall"]
    rows = [head]
    for label, row in zip(labels, counts, strict=True):
        total = int(row.sum())
        recall = f"{100 * row[len(rows) - 1] / total:.1f} %" if total else "-"
        rows.append([label, *map(str, row.tolist()), str(total), recall])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )


def report_text(
    metrics: Metrics,
    intensity: Mapping[str, RankCorrelation] = MappingProxyType({}),
    dimensions: Mapping[str, Agreement] = MappingProxyType({}),
) -> str:
    """Return the scores with their intervals, then the confusion matrix, as lines of text.

    Parameters
    ----------
    metrics : Metrics
    intensity : mapping of str to RankCorrelation
        How well the intensity was said, where it was.
    dimensions : mapping of str to Agreement
        How well valence, arousal and dominance were said, where they were rated.
    """
    lines = [f"{metrics.n} clips, {len(metrics.labels)} classes", ""]
    for name in SCORES:
        line = f"{TITLES[name]:<11} {100 * getattr(metrics, name):5.1f} %"
        if name in metrics.ci95:
            low, high = metrics.ci95[name]
            line += f"   95 % interval over speakers {100 * low:.1f} to {100 * high:.1f}"
        lines.append(line)
    for name, one in intensity.items():
        words = f"Spearman's {one.value:.2f} with {KNOWN_FROM[name]}, {one.n} clips"
        lines.append(f"{'intensity':<11} {words}")
    for name, found in dimensions.items():
        words = f"concordance {found.ccc:.2f}"
        if found.ci95 is not None:
            words += f" ({found.ci95[0]:.2f} to {found.ci95[1]:.2f})"
        if found.within is not None:
            words += f", within speakers {found.within:.2f}"
        words += f", correlation {found.correlation:.2f}, spread {found.spread:.2f}"
        lines.append(f"{name:<11} {words}, {found.n} clips")
    if metrics.raters is not None:
        words = (
            f"Jensen-Shannon distance {metrics.raters.js_distance:.3f}, soft accuracy "
            f"{100 * metrics.raters.soft_accuracy:.1f} %, {metrics.raters.n} clips"
        )
        lines.append(f"{'raters':<11} {words}")
    lines += ["", confusion_text(metrics.confusion, metrics.labels)]
    if metrics.fairness is not None:
        lines += ["", *fairness_lines(metrics.fairness)]
    return "\n".join(lines)


def fairness_lines(fairness: Fairness) -> list[str]:
    """Return the scores of groups and speakers as lines of text."""
    lines = []
    for one in fairness.groups:
        name = f"{one.attribute} {one.value}"
        line = f"{name:<22} UAR {100 * one.uar:5.1f} %"
        if one.ci95 is not None:
            low, high = one.ci95
            line += f"   {100 * low:.1f} to {100 * high:.1f}"
        line += f"   {one.clips} clips, {one.speakers} speakers"
        lines.append(line + (f"; not compared: {one.too_small}" if one.too_small else ""))
    for gap in fairness.gaps:
        said = "more than chance" if gap.p < CHANCE else "chance alone explains it"
        lines.append(
            f"gap by {gap.attribute}: {100 * gap.uar:.1f} points ({gap.best} over {gap.worst}), "
            f"p = {gap.p:.3f}: {said}"
        )
    rates = list(fairness.speakers.items())
    if fairness.worst_quarter is not None and fairness.worst_quarter_by_chance is not None:
        worst = ", ".join(f"{name} {100 * rate:.0f}" for name, rate in rates[:5])
        lines.append(
            f"{len(rates)} speakers: UAR {100 * rates[0][1]:.0f} to {100 * rates[-1][1]:.0f} %, "
            f"worst quarter {100 * fairness.worst_quarter:.1f} % (if all were alike "
            f"{100 * fairness.worst_quarter_by_chance:.1f} %), Gini {fairness.gini or 0:.3f}"
        )
        lines.append(f"worst speakers: {worst}")
    return lines


def write_report(
    metrics: Metrics,
    folder: Path,
    *,
    probabilities: npt.ArrayLike | None = None,
    targets: npt.ArrayLike | None = None,
    intensity: Mapping[str, RankCorrelation] = MappingProxyType({}),
    dimensions: Mapping[str, Agreement] = MappingProxyType({}),
    title: str = "",
) -> list[Path]:
    """Write ``report.txt``, ``metrics.json`` and ``confusion.png``, and return their paths.

    With `probabilities` [clips, classes] and `targets` [clips], also ``reliability.png``; with
    `intensity` and `dimensions`, how well they were said, in the texts.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed; texts are written nevertheless.
    """
    values = metrics.to_dict()
    if intensity:
        values["intensity"] = {name: asdict(one) for name, one in intensity.items()}
    values |= {name: asdict(one) for name, one in dimensions.items()}
    texts = {
        folder / "report.txt": report_text(metrics, intensity, dimensions) + "\n",
        folder / "metrics.json": json.dumps(values, indent=2) + "\n",
    }
    for path, text in texts.items():
        with atomic_path(path) as partial:
            partial.write_text(text, encoding="utf-8")
    written = list(texts)
    draw_confusion(metrics.confusion, metrics.labels, folder / "confusion.png", title=title)
    written.append(folder / "confusion.png")
    if probabilities is not None and targets is not None:
        diagram = reliability(probabilities, targets)
        draw_reliability(diagram, folder / "reliability.png", title=title)
        written.append(folder / "reliability.png")
    return written


@any_script()
def draw_confusion(
    confusion: npt.ArrayLike, labels: Sequence[str], path: Path, *, title: str = ""
) -> None:
    """Draw a confusion matrix as a PNG: colours are fractions of the row, figures are clips.

    Parameters and errors as in `confusion_text`.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    counts = _square(confusion, labels)
    totals = counts.sum(axis=1, keepdims=True)
    fractions = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    size = 2.6 + 0.72 * len(labels)
    figure = _figure(size + 0.9, size)
    axes = figure.add_subplot()
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        fraction = fractions[row, column]
        axes.annotate(
            f"{counts[row, column]}\n{100 * fraction:.0f} %",
            (column, row),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if fraction > 0.5 else "black",
        )
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, labels)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.04)
    bar.set_label("fraction of the true class")
    _save(figure, path)


@any_script()
def draw_reliability(diagram: Reliability, path: Path, *, title: str = "") -> None:
    """Draw accuracy against confidence as a PNG, with the number of clips of each bin below.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = _figure(5.2, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = diagram.counts > 0
    width = diagram.edges[1] - diagram.edges[0]
    centres = diagram.edges[:-1] + width / 2
    upper.plot([0, 1], [0, 1], linestyle="--", color="black", label="perfect calibration")
    upper.bar(
        centres[filled], diagram.accuracy[filled], width * 0.94, color=_BLUE, label="accuracy"
    )
    upper.plot(
        diagram.confidence[filled],
        diagram.accuracy[filled],
        "o",
        color=_ORANGE,
        markeredgecolor="white",
        clip_on=False,
        label="at the mean confidence",
    )
    _finish_upper(upper, diagram, title)
    lower.bar(centres, diagram.counts, width * 0.94, color=_GREY)
    lower.set(xlabel="confidence", ylabel="clips", xlim=(0, 1))
    _save(figure, path)


def _finish_upper(axes: Axes, diagram: Reliability, title: str) -> None:
    filled = diagram.counts > 0
    distance = np.abs(diagram.accuracy[filled] - diagram.confidence[filled])
    error = np.average(distance, weights=diagram.counts[filled])
    heading = f"{title}\n" if title else ""
    axes.set(
        ylabel="accuracy", ylim=(0, 1), title=f"{heading}calibration error {100 * error:.1f} %"
    )
    axes.legend(loc="upper left", frameon=False)


def _square(confusion: npt.ArrayLike, labels: Sequence[str]) -> npt.NDArray[Any]:
    counts = np.asarray(confusion)
    if counts.shape != (len(labels), len(labels)):
        raise DataError(
            f"a confusion matrix of {len(labels)} labels must be square, "
            f"got the shape {list(counts.shape)}"
        )
    return counts


def _figure(width: float, height: float) -> Figure:
    """Return a figure that belongs to no window and no global state; sizes in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("train", "matplotlib") from error
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=RESOLUTION, bbox_inches="tight")
