"""The waveform itself, cut into pieces: the frontend of encoders that bring one of their own."""

from __future__ import annotations

from torch import Tensor, nn

from affekt.models.frontend.base import Frontend
from affekt.models.frontend.normalisation import TYPICAL_RMS, divide_by_level


class Waveform(Frontend):
    """Samples in pieces that do not overlap, one piece to a frame.

    With the normalisation ``"level"`` a recording gets mean 0 and variance 1, as encoders of
    transformers are fed (``do_normalize``); with ``"global"`` it is divided by the level that
    recordings of speech have.
    """

    def forward(self, waveform: Tensor) -> Tensor:
        """First stage: cut into pieces, the last one filled up with zeros.

        Parameters
        ----------
        waveform : Tensor [batch, samples]
            At ``sample_rate``. All samples of a row count: pad what comes out, never waveforms.

        Returns
        -------
        Tensor [batch, hop_length, frames], with ``frames = ceil(samples / hop_length)``
        """
        if self.config.normalisation == "global":
            waveform = waveform / TYPICAL_RMS
        else:
            waveform = divide_by_level(waveform - waveform.mean(dim=1, keepdim=True))
        hop, samples = self.config.hop_length, waveform.shape[1]
        frames = (samples + hop - 1) // hop
        filled = nn.functional.pad(waveform, (0, frames * hop - samples))
        return filled.reshape(waveform.shape[0], frames, hop).transpose(1, 2)

    def features(self, spectrum: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Second stage: nothing more, ``[batch, hop_length, frames]``."""
        return spectrum
