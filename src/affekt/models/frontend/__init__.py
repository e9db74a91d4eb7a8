"""Frontends: from the waveform to what the encoder sees, as part of the model graph.

A frontend works in two stages. ``frontend(waveform)`` gives the log-mel and whatever else needs
the waveform: training computes it once per clip, and the spectral augmentations change it.
``frontend.features(spectrum)`` is what follows from it: cepstra, their slopes, normalisation. The
exported graph runs both.
"""

from __future__ import annotations

from affekt.models.frontend.config import FrontendConfig, PcenOptions
from affekt.models.frontend.log_mel import LogMel
from affekt.models.frontend.mfcc import Mfcc
from affekt.models.frontend.prosody import LogMelProsody

__all__ = ["FrontendConfig", "LogMel", "LogMelProsody", "Mfcc", "PcenOptions", "build_frontend"]

_CLASSES = {"log-mel": LogMel, "mfcc": Mfcc, "log-mel+prosody": LogMelProsody}


def build_frontend(config: FrontendConfig) -> LogMel:
    """Make the frontend that a configuration asks for."""
    return _CLASSES[config.kind](config)
