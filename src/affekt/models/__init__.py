"""The model as a torch graph: frontend -> encoder -> pooling -> head, waveform in, logits out.

Needs the ``train`` extra. Using a trained model does not: see :mod:`affekt.runtime`.
"""

from __future__ import annotations

from affekt.models import (  # each registers itself
    cnn,  # noqa: F401
    crnn,  # noqa: F401
    light,  # noqa: F401
    ssl,  # noqa: F401
    tcn,  # noqa: F401
    transformer,  # noqa: F401
)
from affekt.models.network import Network, NetworkConfig, build_network, describe
from affekt.models.registry import ARCHITECTURES, register

__all__ = ["ARCHITECTURES", "Network", "NetworkConfig", "build_network", "describe", "register"]
