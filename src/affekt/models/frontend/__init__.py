"""Frontends: from the waveform to the encoder's input, as part of the model graph.

A frontend works in two stages. ``frontend(waveform)`` gives the log-mel and whatever else needs
the waveform: training computes it once per clip, and the spectral augmentations change it.
``frontend.features(spectrum)`` is what follows from it: cepstra, their slopes, normalisation. The
exported graph runs both.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from affekt.models.frontend.base import Frontend
from affekt.models.frontend.config import FrontendConfig, PcenOptions
from affekt.models.frontend.log_mel import LogMel
from affekt.models.frontend.mfcc import Mfcc
from affekt.models.frontend.prosody import LogMelProsody
from affekt.models.frontend.waveform import Waveform

__all__ = [
    "Frontend",
    "FrontendConfig",
    "LogMel",
    "LogMelProsody",
    "Mfcc",
    "PcenOptions",
    "Waveform",
    "build_frontend",
]

_CLASSES: Mapping[str, type[Frontend]] = MappingProxyType(
    {"log-mel": LogMel, "mfcc": Mfcc, "log-mel+prosody": LogMelProsody, "waveform": Waveform}
)


def build_frontend(config: FrontendConfig) -> Frontend:
    """Make the frontend that a configuration asks for."""
    return _CLASSES[config.kind](config)
