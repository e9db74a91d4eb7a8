"""A network as a picture: a box for each part, from the waveform down to the probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from affekt.config import build, to_dict
from affekt.drawing import LARGE, NORMAL, SMALL, Drawing, text_width
from affekt.models.anatomy import Part, dissect, repeated
from affekt.models.frontend import FrontendConfig
from affekt.models.network import Network

WIDTH = 760  # px
_LEFT, _COLUMN = 20, 450  # px, of the boxes; what each gives is written beside them
_TOP, _GAP = 56.0, 22.0  # px
_LINE = 15  # px, from one line of text to the next
_NOTE = 16  # px, between the boxes and the notes
_BOLD = 1.15  # how much wider bold words are
_UNIT = "M/s: million multiply-adds per second of audio"


def draw_network(network: Network) -> str:
    """Draw a network.

    Returns
    -------
    str
        An SVG file.
    """
    config = network.config
    return draw_parts(dissect(network), config.architecture, config.frontend)


def draw_parts(parts: Sequence[Part], name: str, frontend: FrontendConfig) -> str:
    """Draw what :func:`affekt.models.anatomy.dissect` has found.

    Parameters
    ----------
    parts : sequence of Part
    name : str
        Of the architecture.
    frontend : FrontendConfig
        What the parts got their features from.

    Returns
    -------
    str
        An SVG file. Parts at the same depth stand side by side; equal parts in a chain are one
        box that says how many they are.
    """
    groups = repeated(list(parts))
    rows = [list(row) for _, row in groupby(sorted(_depths(groups).items(), key=_by_depth), _depth)]
    levels = [[place for place, _ in row] for row in rows]
    heights = [max(_box_height(groups[place][0]) for place in level) for level in levels]
    source = Part(*_frontend_words(frontend), 0, 0, frontend.channels, 1, 0, ())
    height = _TOP + _box_height(source) + sum(h + _GAP for h in heights) + 46
    total = sum(part.parameters for part in parts)
    drawing = Drawing(WIDTH, height, f"The architecture {name}", f"{in_words(parts)} {_UNIT}.")
    drawing.text(_LEFT, 32, name, size=LARGE, bold=True)
    drawing.text(WIDTH - _LEFT, 32, f"{total:,} parameters", size=SMALL, anchor="end", kind="faint")
    y = _TOP
    _box(drawing, source, 1, (_LEFT, y, _COLUMN), "fixed")
    _note(drawing, y, [f"{frontend.channels} rows, {frontend.frames_per_second:g} frames/s"])
    ends = {-1: (_LEFT + _COLUMN / 2, y + _box_height(source))}
    y += _box_height(source) + _GAP
    for level, tall in zip(levels, heights, strict=True):
        wide = (_COLUMN - 14 * (len(level) - 1)) / len(level)
        for column, place in enumerate(level):
            part, count = groups[place]
            x = _LEFT + column * (wide + 14)
            for giver in part.inputs or (-1,):
                _connect(drawing, ends[giver], (x + wide / 2, y), _COLUMN / len(level))
            _box(drawing, part, count, (x, y, wide), "box")
            ends[place] = (x + wide / 2, y + _box_height(part))
        _note(drawing, y, _notes([groups[place] for place in level]))
        y += tall + _GAP
    ending = "divided by the temperature, softmax"
    drawing.text(_LEFT + _COLUMN / 2, y + 2, ending, anchor="middle", size=SMALL)
    drawing.text(WIDTH - _LEFT, y + 2, _UNIT, anchor="end", size=SMALL, kind="faint")
    return drawing.svg()


def in_words(parts: Sequence[Part]) -> str:
    """Return the picture in a sentence, for those who cannot see it."""
    titles = [
        part.title + (f" × {count}" if count > 1 else "") for part, count in repeated(list(parts))
    ]
    return f"From top to bottom: frontend; {'; '.join(titles)}; softmax."


def parts_from(rows: Sequence[Mapping[str, object]]) -> list[Part]:
    """Read parts from what JSON holds of them."""
    parts = []
    for row in rows:
        known = dict(row)
        rate = known.pop("frames_per_second")
        part = build(Part, {**known, "frames_per_second": None}, "part")
        parts.append(Part(**{**vars(part), "frames_per_second": rate}))
    return parts


def parts_to(parts: Sequence[Part]) -> list[dict[str, object]]:
    """Parts as JSON can hold them."""
    return [to_dict(part) for part in parts]


def _depths(groups: Sequence[tuple[Part, int]]) -> dict[int, int]:
    """For each box, how many lie above it on the longest way."""
    depths: dict[int, int] = {}
    for place, (part, _) in enumerate(groups):
        depths[place] = 1 + max((depths[giver] for giver in part.inputs), default=0)
    return depths


def _by_depth(item: tuple[int, int]) -> tuple[int, int]:
    return item[1], item[0]


def _depth(item: tuple[int, int]) -> int:
    return item[1]


def _box_height(part: Part) -> float:
    return 16 + _LINE * (1 + len(part.details))


def _box(
    drawing: Drawing, part: Part, count: int, place: tuple[float, float, float], kind: str
) -> None:
    """Draw a part at ``(x, y, width)``."""
    x, y, width = place
    drawing.rectangle(x, y, width, _box_height(part), kind)
    words = part.title + (f"  × {count}" if count > 1 else "")
    size = SMALL if _BOLD * text_width(words) > width - 8 else NORMAL
    drawing.text(x + width / 2, y + 20, words, anchor="middle", size=size, bold=True)
    for number, line in enumerate(part.details, start=1):
        line_y = y + 20 + _LINE * number
        drawing.text(x + width / 2, line_y, line, anchor="middle", size=SMALL, kind="faint")


def _connect(
    drawing: Drawing, start: tuple[float, float], end: tuple[float, float], reach: float
) -> None:
    """Draw an arrow from the bottom of a box to the top of another."""
    (x0, y0), (x1, y1) = start, end
    if abs(x0 - x1) < 1:
        drawing.arrow(x1, y0, x1, y1 - 1)
        return
    bend = y1 - _GAP / 2
    drawing.line([(x0, y0), (x0, bend), (x1, bend)])
    drawing.arrow(x1, bend, x1, y1 - 1)


def _notes(level: Sequence[tuple[Part, int]]) -> list[str]:
    """What the parts of a row give, and what they weigh and compute together."""
    part, _ = level[0]
    size = f"{part.channels} channels" + (f" × {part.rows} rows" if part.rows > 1 else "")
    if part.frames_per_second is None:
        size = f"{part.channels} numbers"
    else:
        size += f", {part.frames_per_second:g} frames/s"
    each = "each " if len(level) > 1 else ""
    parameters = sum(one.parameters * count for one, count in level)
    work = sum(one.multiply_adds * count for one, count in level) / 1e6
    cost = f"{parameters:,} parameters" if parameters else ""
    if work >= 0.05:
        cost += f"{', ' if cost else ''}{work:.1f} M/s"
    return [each + size, *([cost] if cost else ())]


def _note(drawing: Drawing, y: float, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        x = _LEFT + _COLUMN + _NOTE
        kind = "faint" if number else ""
        drawing.text(x, y + 20 + _LINE * number, line, size=SMALL, kind=kind)


def _frontend_words(config: FrontendConfig) -> tuple[str, tuple[str, ...]]:
    window, hop = (1000 * n / config.sample_rate for n in (config.window, config.hop_length))
    if not config.spectral:
        return config.kind, (f"at {config.sample_rate / 1000:g} kHz, in pieces of {hop:g} ms",)
    return (
        f"frontend: {config.kind}",
        (
            f"of the waveform at {config.sample_rate / 1000:g} kHz: {config.n_mels} bands, "
            f"{window:g} ms every {hop:g} ms",
        ),
    )
