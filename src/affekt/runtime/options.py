"""Options of time lines and streams."""

from __future__ import annotations

import math
from dataclasses import dataclass

from affekt.errors import ConfigError

VADS = ("auto", "silero", "off")

STREAMED_HOP = 0.5  # seconds
RERUN_HOP = 1.0
"""Seconds, where each window runs through all of the model: more of them cost that much more."""


@dataclass(frozen=True)
class TimelineOptions:
    """How a recording is cut into windows, and these are merged into segments.

    All times are in seconds. The same options serve a file and a stream, and give the same answer.

    Parameters
    ----------
    window : float
        How much sound one answer is about. Longer windows are surer, shorter ones are quicker to
        notice a change.
    hop : float, optional
        Time from one answer to the next, at most ``window``. None takes 0.5 s for models whose
        encoder streams, and 1 s for those that run on each window anew. Each answer stands for one
        hop, in the middle of its window; at both ends of the recording the window is cut.
    smoothing : float
        Answers are averaged over so much time around each hop before they are labelled; 0 for not
        at all.
    min_duration : float
        A stretch shorter than this joins the one before it.
    max_pause : float
        A pause up to this long does not end a segment.
    threshold : float, optional
        A stretch whose most probable emotion is less probable than this is labelled
        ``"uncertain"``; None takes the threshold that came with the model, 0 always names one.
    vad : str
        Voice activity detection: ``"silero"`` detects speech and leaves out the
        rest; ``"off"`` leaves out silence alone; ``"auto"`` is ``"silero"`` where it is installed
        (``pip install 'affekt[stream]'``), else ``"off"``.
    vad_threshold : float
        Probability of speech from which a moment counts as speech.

    Raises
    ------
    ConfigError
        If a value is impossible.
    """

    window: float = 3.0
    hop: float | None = None
    smoothing: float = 2.0
    min_duration: float = 1.0
    max_pause: float = 1.0
    threshold: float | None = None
    vad: str = "auto"
    vad_threshold: float = 0.5

    def __post_init__(self) -> None:
        for name in ("window", "hop", "smoothing", "min_duration", "max_pause"):
            value = getattr(self, name)
            if name == "hop" and value is None:
                continue
            positive = name in ("window", "hop")
            if not _is_number(value) or value < 0 or (positive and value == 0):
                limit = "above 0" if positive else "from 0 up"
                raise ConfigError(f"timeline: {name} must be seconds {limit}, got {_shown(value)}")
        for name in ("threshold", "vad_threshold"):
            value = getattr(self, name)
            if name == "threshold" and value is None:
                continue
            if not _is_number(value) or not 0 <= value <= 1:
                raise ConfigError(f"timeline: {name} must be from 0 to 1, got {_shown(value)}")
        if self.hop is not None and self.hop > self.window:
            raise ConfigError(
                f"timeline: hop ({self.hop:g} s) is longer than window ({self.window:g} s), "
                f"which would leave out some of the recording: make it shorter"
            )
        if self.vad not in VADS:
            raise ConfigError(
                f"timeline: unknown vad {self.vad!r}: expected one of {', '.join(VADS)}"
            )

    def hop_for(self, streams: bool) -> float:
        """Return the hop in seconds, for a model whose encoder streams or not."""
        if self.hop is not None:
            return self.hop
        return min(self.window, STREAMED_HOP if streams else RERUN_HOP)


def _is_number(value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _shown(value: object) -> str:
    """Return a value as messages show it: a number of thousands of digits is not repeated."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write it
        return "a number of thousands of digits"
    return text if len(text) <= 40 else f"{text[:40]}..."
