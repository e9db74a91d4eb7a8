"""What a person sees while `affekt stream` listens: emotions now, the level, the open segment.

Segments that are final are written as lines, which rich keeps above the view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from affekt.cli._timeline import Lines, clock
from affekt.formats.table import Style, bar
from affekt.results import Measurement, Segment

BAR = 32  # characters
QUIETEST_DBFS = -60.0
_REFRESH = 10.0  # per second


class LiveView:
    """A view that redraws itself in place; a context manager.

    Parameters
    ----------
    labels : sequence of str
        The emotions of the model.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        from rich.live import Live
        from rich.text import Text

        self._labels = tuple(labels)
        self._lines = Lines(labels, Style())
        self._scores = dict.fromkeys(labels, 0.0)
        self._heard = "listening ..."
        self._level_dbfs = QUIETEST_DBFS
        self._duration = 0.0
        self._open: Segment | None = None
        self._live = Live(
            get_renderable=lambda: Text(self.draw()), refresh_per_second=_REFRESH, transient=True
        )

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def hear(
        self,
        chunk: np.ndarray,
        duration: float,
        measurements: Sequence[Measurement],
        open_segment: Segment | None,
    ) -> None:
        """Take what became known with a chunk ``[samples]`` or ``[samples, channels]``."""
        full_scale = np.iinfo(chunk.dtype).max if chunk.dtype.kind in "iu" else 1.0
        power = float(np.mean(np.square(chunk / full_scale))) if chunk.size else 0.0
        level = 10 * math.log10(power) if power > 0 else QUIETEST_DBFS
        # Falls slowly, as the needle of a meter does, so that a syllable can be seen.
        self._level_dbfs = max(level, self._level_dbfs - 3.0, QUIETEST_DBFS)
        self._duration = duration
        self._open = open_segment
        if measurements:
            newest = measurements[-1]
            self._scores = newest.scores
            self._heard = f"at {clock((newest.start + newest.end) / 2)}"
            if newest.provisional:
                self._heard = "so far, provisional"

    def draw(self) -> str:
        """Return the view as text, for a screen of 80 columns."""
        width = max(len(label) for label in self._labels)
        best = max(self._scores.values())
        rows = [
            f"{clock(self._duration)}  level {bar(1 - self._level_dbfs / QUIETEST_DBFS, 20)} "
            f"{self._level_dbfs:4.0f} dBFS   emotions {self._heard}",
            "",
        ]
        for label in self._labels:
            score = self._scores[label]
            mark = ">" if score == best and best > 0 else " "
            rows.append(f"{mark} {label:<{width}}  {bar(score, BAR)} {score:4.0%}")
        if self._open is not None:
            rows += ["", f"{self._lines.segment(self._open)}  ..."]
        return "\n".join(rows)
