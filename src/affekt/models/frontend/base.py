"""What every frontend is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.frontend.config import FrontendConfig

if TYPE_CHECKING:
    from affekt.models.layers.memory import Memory


class Frontend(nn.Module):
    """Waveform to stored spectrum, and that to the encoder's input."""

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, waveform: Tensor) -> Tensor:
        """First stage: ``[batch, samples] -> [batch, rows, frames]``.

        All samples of a row count: pad what comes out, never waveforms.
        """
        raise ConfigError(f"{type(self).__name__} does not define forward()")

    def features(self, spectrum: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Second stage: the encoder's input ``[batch, channels, frames]``.

        Parameters
        ----------
        spectrum : Tensor [batch, rows, frames]
            As the first stage gives it; rows may be padded with any finite value.
        lengths : Tensor [batch], optional
            Frames of each row that are not padding.
        """
        raise ConfigError(f"{type(self).__name__} does not define features()")

    @property
    def delay(self) -> int:
        """Frames by which :meth:`step` answers later than the newest whole one."""
        return 0

    def step(self, samples: Tensor, valid: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """First stage of new samples, with what is remembered of those before."""
        raise ConfigError(f"{type(self).__name__} does not stream: it does not define step()")
