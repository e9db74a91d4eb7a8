"""Before and after as a picture: waveform and spectrogram. Needs matplotlib (extra ``train``)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.augment.waveform import Samples
from affekt.errors import MissingExtraError
from affekt.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW_MS = 25
HOP_MS = 5
RANGE_DB = 70  # what is weaker by more is drawn as silence


def require_matplotlib() -> None:
    """Raise :class:`MissingExtraError` where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("train", "matplotlib")


def draw(before: Samples, after: Samples, sample_rate: int, title: str, path: Path) -> None:
    """Draw two recordings side by side, on the same scales, to a PNG file.

    Parameters
    ----------
    before, after : np.ndarray [shape=(samples,)]
        Of any two lengths.
    sample_rate : int
        Hz.
    title : str
    path : Path

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    # Figure itself, not pyplot, which keeps global state and looks for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    figure.suptitle(title)
    rows: Any = figure.subplots(
        2, 2, sharex=True, sharey="row", squeeze=False, height_ratios=(1, 3)
    )
    spectra = [spectrogram_db(samples, sample_rate) for samples in (before, after)]
    loudest = max(float(spectrum.max()) for spectrum in spectra)
    for column, (name, samples) in enumerate((("before", before), ("after", after))):
        wave, picture = rows[0][column], rows[1][column]
        wave.set_title(f"{name}, {len(samples) / sample_rate:.2f} s", fontsize="medium", loc="left")
        wave.plot(np.arange(len(samples)) / sample_rate, samples, linewidth=0.4)
        _draw_spectrogram(picture, spectra[column], loudest, sample_rate)
    rows[0][0].set_ylabel("amplitude")
    rows[1][0].set_ylabel("frequency in kHz")
    # Both to the end of the longer one, so that a change of tempo is seen.
    rows[0][0].set_xlim(0, max(len(before), len(after)) / sample_rate)
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=110)


def _draw_spectrogram(axes: Axes, spectrum: np.ndarray, loudest: float, sample_rate: int) -> None:
    axes.set_xlabel("time in s")
    axes.imshow(
        spectrum,
        origin="lower",
        aspect="auto",
        extent=(0, spectrum.shape[1] * HOP_MS / 1000, 0, sample_rate / 2000),
        cmap="magma",
        vmin=loudest - RANGE_DB,
        vmax=loudest,
    )


def spectrogram_db(samples: Samples, sample_rate: int) -> np.ndarray:
    """Power in dB ``[bins, frames]``, from centred Hann windows."""
    window, hop = round(WINDOW_MS * sample_rate / 1000), round(HOP_MS * sample_rate / 1000)
    padded = np.pad(samples, (window // 2, window))
    starts = np.arange(0, len(samples), hop)
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, 2 * window)).T ** 2
    return np.asarray(10 * np.log10(power + 1e-12))
