"""Recordings of any length for graphs of one length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def fill_windows(waveforms: Floats, window: int) -> Floats:
    """Cut recordings into windows that lie end to end; the last one ends where they end.

    A recording shorter than the window is filled with silence at its end, as MediaPipe does it.

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
        return np.pad(waveforms, ((0, 0), (0, window - samples)))[:, None]
    starts = [*range(0, samples - window, window), samples - window]
    return np.stack([waveforms[:, start : start + window] for start in starts], axis=1)
