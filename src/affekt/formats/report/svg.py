"""Draw waveforms and curves as SVG by hand: a few kilobytes, sharp at any size, no library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affekt.runtime.session import Floats

HEIGHT = 72
"""Height of a waveform, in its own units; a column is 2 units wide."""
CURVE_WIDTH, CURVE_HEIGHT = 1000, 100
"""Size of a curve, in its own units."""


def waveform(low: Floats, high: Floats, description: str) -> str:
    """Return an ``<svg>`` of a waveform, scaled to its peak.

    Parameters
    ----------
    low, high : np.ndarray [shape=(columns,)]
        The lowest and highest sample of each column.
    description : str
        For those who cannot see it; must be escaped already.
    """
    scale = (HEIGHT / 2 - 1) / max(float(high.max()), -float(low.min()), 1e-9)
    # At least half a unit on each side, so that silence is a line and not a gap.
    top = np.minimum(HEIGHT / 2 - high * scale, HEIGHT / 2 - 0.5)
    bottom = np.maximum(HEIGHT / 2 - low * scale, HEIGHT / 2 + 0.5)
    strokes = "".join(
        f"M{2 * i + 1} {y0:.1f}V{y1:.1f}"
        for i, (y0, y1) in enumerate(zip(top, bottom, strict=True))
    )
    return (
        f'<svg class="wave" viewBox="0 0 {2 * len(low)} {HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="{description}"><path d="{strokes}"/></svg>'
    )


def steps(points: Sequence[tuple[float, float, float]], duration: float, description: str) -> str:
    """Return an ``<svg>`` of a curve of steps from 0 to 1, filled down to 0.

    Parameters
    ----------
    points : sequence of (start, end, height)
        In seconds; between them there is nothing.
    duration : float
        What the width stands for, in seconds.
    description : str
        For those who cannot see it; must be escaped already.
    """
    unit = CURVE_WIDTH / duration
    drawn = "".join(
        f"M{start * unit:.1f} {CURVE_HEIGHT}V{CURVE_HEIGHT * (1 - height):.0f}"
        f"H{end * unit:.1f}V{CURVE_HEIGHT}Z"
        for start, end, height in points
    )
    return (
        f'<svg class="curve" viewBox="0 0 {CURVE_WIDTH} {CURVE_HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{description}">'
        f'<path d="{drawn}"/></svg>'
    )
