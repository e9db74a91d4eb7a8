"""Recordings of any length for graphs of one length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def fill_windows(waveforms: Floats, window: int) -> Floats:
    """Cut recordings into windows that lie end to end; the last one ends where they end.

    A recording shorter than the window is repeated until it fills it: silence at its end would
    be heard as a pause, which says something about a voice.

    Parameters
    ----------
    waveforms : np.ndarray [shape=(batch, samples)]
    window : int
        Samples.

    Returns
    -------
    np.ndarray [shape=(batch, windows, window)]
        The answer for a recording is the mean of the probabilities of its windows.
    """
    samples = waveforms.shape[1]
    if samples < window:
        repeated = np.tile(waveforms, (1, -(-window // samples)))
        return np.asarray(repeated[:, None, :window])
    starts = [*range(0, samples - window, window), samples - window]
    return np.stack([waveforms[:, start : start + window] for start in starts], axis=1)
