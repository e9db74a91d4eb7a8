"""What `timeline` and `stream` share: the options of a time line, and how people read one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import typer

from affekt.cli._common import log
from affekt.files import visible
from affekt.formats.table import BAR_WIDTH, Style, bar, paint
from affekt.formats.text import warning_kinds
from affekt.results import Segment
from affekt.runtime import TimelineOptions


class Vad(str, Enum):
    """Voice activity detection: see `TimelineOptions`."""

    auto = "auto"
    silero = "silero"
    off = "off"


WindowOption = Annotated[
    float, typer.Option("--window", help="Seconds of sound that one answer is about.")
]
HopOption = Annotated[
    float | None,
    typer.Option(
        "--hop",
        help="Seconds from one answer to the next; default: 0.5, or 1 if the model cannot stream.",
        show_default=False,
    ),
]
SmoothingOption = Annotated[
    float, typer.Option("--smoothing", help="Seconds that answers are averaged over.")
]
MinDurationOption = Annotated[
    float, typer.Option("--min-duration", help="A segment shorter than this joins its neighbour.")
]
MaxPauseOption = Annotated[
    float, typer.Option("--max-pause", help="A pause up to this long does not end a segment.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="Below this probability a segment is 'uncertain'; default: the model's own, 0: never.",
        show_default=False,
    ),
]
VadOption = Annotated[
    Vad,
    typer.Option(
        "--vad",
        help="Leave out what is not speech: silero (pip install 'affekt[stream]'), off, or auto: "
        "silero where it is installed.",
    ),
]
VadThresholdOption = Annotated[
    float,
    typer.Option("--vad-threshold", help="Probability from which a moment counts as speech."),
]


def prepare(options: TimelineOptions) -> None:
    """Write notes to stderr, once, before the work begins."""
    from affekt.runtime.streaming.vad import vad_is_installed

    handler = _Stderr()
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("affekt")
    logger.handlers = [handler]
    logger.propagate = False
    if options.vad == Vad.auto.value and not vad_is_installed():
        log(
            "note: speech is not separated from other sound: pip install 'affekt[stream]' "
            "(--vad off says that this is meant)"
        )


class _Stderr(logging.Handler):
    """Shows warnings of the library as one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        log(f"warning: {record.getMessage()}")


@dataclass
class Lines:
    """Draws segments for people, one line each.

    Attributes
    ----------
    labels : sequence of str
        The emotions of the model.
    style : Style
    """

    labels: Sequence[str]
    style: Style
    _warned: tuple[str, ...] = ()  # kinds of the warnings of the line before

    def segment(self, segment: Segment) -> str:
        """Return ``from  to  emotion  bar  confidence  runners-up``, in the order of time.

        A warning that the segment before has, too, is not told again.
        """
        width = max(len("uncertain"), *(len(label) for label in self.labels))
        strength = bar(segment.confidence, BAR_WIDTH, unicode=self.style.unicode)
        others = [one for one in segment.ranked() if one[0] != segment.label]
        who = f"{visible(segment.speaker):<12}  " if segment.speaker else ""
        line = (
            f"{clock(segment.start):>9} {clock(segment.end):>9}  {who}"
            f"{paint(segment.label.ljust(width), '1', self.style)}  "
            f"{paint(strength, '36', self.style)} {segment.confidence:>4.0%}   "
            f"{', '.join(f'{name} {score:.0%}' for name, score in others[:2])}"
        )
        line += "".join(f"   {name} {value}" for name, value in segment.extras().items())
        before, self._warned = self._warned, warning_kinds(segment)
        if self._warned and self._warned != before:
            line += f"  {paint('! ' + '; '.join(segment.warnings), '33', self.style)}"
        return line


def clock(seconds: float) -> str:
    """Seconds as ``m:ss.s`` or ``h:mm:ss.s``, as players show them."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"
