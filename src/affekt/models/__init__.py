"""The model as a torch graph: frontend -> encoder -> pooling -> head, waveform in, logits out.

Needs the ``train`` extra. Using a trained model does not: see :mod:`affekt.runtime`.
"""

from __future__ import annotations

from affekt.models import cnn, crnn, light, tcn, transformer  # noqa: F401  (each registers itself)
from affekt.models.network import Network, NetworkConfig, build_network, describe
from affekt.models.registry import ARCHITECTURES, register

__all__ = ["ARCHITECTURES", "Network", "NetworkConfig", "build_network", "describe", "register"]
