"""Draw a waveform as SVG by hand: a few kilobytes, sharp at any size, no plotting library."""

from __future__ import annotations

import numpy as np

from affekt.runtime.backends import Floats

COLUMNS = 320
"""Columns of a waveform: about one per two pixels on a wide screen."""

HEIGHT = 72
"""Height of the drawing, in its own units; a column is 2 units wide."""


def envelope(samples: Floats, columns: int = COLUMNS) -> tuple[Floats, Floats]:
    """Return the lowest and the highest sample of each column.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        At least one.
    columns : int
        Fewer come back for a recording with fewer samples.

    Returns
    -------
    low, high : np.ndarray [shape=(columns,)]
    """
    edges = np.linspace(0, len(samples), min(columns, len(samples)) + 1).astype(int)[:-1]
    return np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)


def waveform(samples: Floats, description: str) -> str:
    """Return an ``<svg>`` of a waveform, scaled to its peak.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
    description : str
        For those who cannot see it; must be escaped already.
    """
    low, high = envelope(samples)
    scale = (HEIGHT / 2 - 1) / max(float(np.abs(samples).max()), 1e-9)
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
