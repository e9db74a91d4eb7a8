"""UAR against the size of the model, ours beside what others have published, as one picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from affekt.drawing import LARGE, SMALL, Drawing, text_width
from affekt.evaluation.anchors import Anchor
from affekt.evaluation.protocols import PROTOCOLS

if TYPE_CHECKING:
    from affekt.evaluation.results import Result

PICTURE = Path("docs/images/uar-by-size.svg")
SHOWN = ("ravdess-luna5", "emodb-loso", "cremad-tfds")
"""The protocols that have a panel."""

WIDTH = 900  # px
_LEFT, _RIGHT = 52, 20  # px, beside the panels
_TOP, _HEAD, _PANEL, _GAP = 112, 26, 350, 54  # px
_DECADES = (3, 9)  # powers of ten of the parameters, from end to end
_UNITS = {3: "1 k", 4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M", 9: "1 G"}
_STEPS = (0, 13, -13, 26, -26, 39, -39, 52, -52, 65, -65)  # px, where a label may go
_LEGEND = (
    ("circle", "own", "affekt, one model"),
    ("diamond", "team", "affekt, several models together"),
    ("circle", "other", "published, the same protocol"),
    ("square", "apart", "published, another protocol: other folds, or speakers shared"),
)


@dataclass(frozen=True)
class _Point:
    """Something with a size and a figure in percent."""

    label: str
    parameters: int
    value: float
    sd: float
    shape: str
    kind: str


@dataclass
class _Panel:
    """Where numbers lie in a panel, and what is occupied."""

    top: float
    low: float
    high: float
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def x(self, parameters: float) -> float:
        share = (math.log10(parameters) - _DECADES[0]) / (_DECADES[1] - _DECADES[0])
        return _LEFT + min(max(share, 0), 1) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return self.top + (self.high - value) / (self.high - self.low) * _PANEL

    def free(self, box: tuple[float, float, float, float]) -> bool:
        inside = box[0] > _LEFT and box[2] < WIDTH - _RIGHT
        inside = inside and box[1] > self.top - 8 and box[3] < self.top + _PANEL
        return inside and not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for other in self.taken
        )


def draw_uar_by_size(results: Sequence[Result], anchors: Sequence[Anchor]) -> str:
    """Draw a panel for each protocol of `SHOWN`.

    Parameters
    ----------
    results : sequence of Result
        Ours; those of other protocols are passed over.
    anchors : sequence of Anchor
        Those of the same corpus and classes are shown, with a mark that says whether the
        protocol is the same, too. One of unknown size is a line.

    Returns
    -------
    str
        An SVG file; the same input gives the same text.
    """
    height = _TOP + len(SHOWN) * (_HEAD + _PANEL + _GAP)
    drawing = Drawing(WIDTH, height, "UAR against size", picture_in_words(results, anchors))
    drawing.text(20, 30, "UAR against the size of the model", size=LARGE, bold=True)
    _legend(drawing)
    for number, protocol in enumerate(SHOWN):
        top = _TOP + number * (_HEAD + _PANEL + _GAP) + _HEAD
        own = [one for one in results if one.protocol == protocol]
        _panel(drawing, top, protocol, own, [one for one in anchors if one.beside(protocol)])
    return drawing.svg()


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


def _panel(
    drawing: Drawing, top: float, protocol: str, results: list[Result], anchors: list[Anchor]
) -> None:
    points = [_own_point(one) for one in results]
    points += [_anchor_point(one, protocol) for one in anchors if one.parameters is not None]
    lines = [one for one in anchors if one.parameters is None]
    values = [point.value for point in points] + [one.value for one in lines]
    low = 10 * math.floor((min(values, default=50) - 4) / 10)
    high = min(100, 10 * math.ceil((max(values, default=50) + 3) / 10))
    panel = _Panel(top, low, high)
    _axes(drawing, panel, protocol)
    for one in lines:
        _line(drawing, panel, one, protocol)
    for point in points:
        x, y = panel.x(point.parameters), panel.y(point.value)
        panel.taken.append((x - 8, y - 7, x + 8, y + 7))
        if point.sd:
            low_y, high_y = (panel.y(point.value + sign * point.sd) for sign in (-1, 1))
            kind = "line" if point.kind in ("own", "team") else point.kind
            drawing.line([(x, low_y), (x, high_y)], kind)
            for end in (low_y, high_y):
                drawing.line([(x - 4, end), (x + 4, end)], kind)
        drawing.mark(x, y, point.shape, point.kind)
    for point in sorted(points, key=lambda one: -one.value):
        _label(drawing, panel, point)


def _own_point(result: Result) -> _Point:
    marks = [name for name in ("adapted",) if getattr(result, name)]
    label = result.recipe + (f" ({', '.join(marks)})" if marks else "")
    sd = 100 * result.uar.sd if len(result.seeds) > 1 else 0.0
    shape, kind = ("diamond", "team") if result.ensemble else ("circle", "own")
    return _Point(label, max(result.parameters, 1), 100 * result.uar.mean, sd, shape, kind)


def _anchor_point(anchor: Anchor, protocol: str) -> _Point:
    same = anchor.same_as(protocol)
    shape, kind = ("circle", "other") if same else ("square", "apart")
    return _Point(anchor.system, anchor.parameters or 1, anchor.value, anchor.sd or 0, shape, kind)


def _axes(drawing: Drawing, panel: _Panel, protocol: str) -> None:
    description = PROTOCOLS[protocol].description
    drawing.text(_LEFT, panel.top - 14, f"{protocol}: {description}", bold=True)
    for tick in range(round(panel.low), round(panel.high) + 1, 10):
        y = panel.y(tick)
        drawing.line([(_LEFT, y), (WIDTH - _RIGHT, y)], "grid")
        drawing.text(_LEFT - 8, y + 4, f"{tick} %", size=SMALL, anchor="end", kind="faint")
    bottom = panel.top + _PANEL
    for power in range(_DECADES[0], _DECADES[1] + 1):
        x = panel.x(10**power)
        drawing.line([(x, panel.top), (x, bottom)], "grid")
        drawing.text(x, bottom + 16, _UNITS[power], size=SMALL, anchor="middle", kind="faint")
    drawing.line([(_LEFT, panel.top), (_LEFT, bottom), (WIDTH - _RIGHT, bottom)])
    drawing.text(WIDTH - _RIGHT, bottom + 32, "parameters", size=SMALL, anchor="end", kind="faint")


def _line(drawing: Drawing, panel: _Panel, anchor: Anchor, protocol: str) -> None:
    """Draw a figure of unknown size, or of people, from end to end."""
    y = panel.y(anchor.value)
    kind = "other" if anchor.same_as(protocol) else "apart"
    drawing.line([(_LEFT, y), (WIDTH - _RIGHT, y)], kind)
    size = f", {anchor.size}" if anchor.size else ""
    words = f"{anchor.system}{size}: {anchor.value:.1f} %"
    width = text_width(words, SMALL)
    x = _LEFT + 6
    for dy in (-4, 13):
        box = (x, y + dy - 10, x + width, y + dy + 3)
        if panel.free(box):
            break
    panel.taken += [box, (_LEFT, y - 1, WIDTH, y + 1)]
    drawing.text(x, y + dy, words, size=SMALL, kind="faint")


def _label(drawing: Drawing, panel: _Panel, point: _Point) -> None:
    """Write a name where it covers nothing, as near to its point as there is room."""
    x, y = panel.x(point.parameters), panel.y(point.value)
    width = text_width(point.label, SMALL)
    places = [(side, dy) for dy in _STEPS for side in (10, -10 - width)]
    boxes = [(x + dx, y + dy - 7, x + dx + width, y + dy + 6) for dx, dy in places]
    chosen = next((i for i, box in enumerate(boxes) if panel.free(box)), 0)
    (dx, dy), box = places[chosen], boxes[chosen]
    panel.taken.append(box)
    side, anchor = (10, "start") if dx > 0 else (-10, "end")
    if abs(dy) > 13:
        drawing.line([(x, y + math.copysign(6, dy)), (x + 0.8 * side, y + dy)])
    drawing.text(x + side, y + dy + 4, point.label, size=SMALL, anchor=anchor)


def _legend(drawing: Drawing) -> None:
    for number, (shape, kind, words) in enumerate(_LEGEND):
        x, y = 28 + 400 * (number % 2), 54 + 20 * (number // 2)
        drawing.mark(x, y, shape, kind)
        drawing.text(x + 14, y + 4, words, size=SMALL)
    words = (
        "Lines: published figures of systems without a known number of parameters, and of people"
    )
    drawing.text(22, 98, f"{words}; bars: standard deviation over seeds.", size=SMALL, kind="faint")


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M" if parameters >= 100_000 else f"{parameters / 1e3:.0f} k"
