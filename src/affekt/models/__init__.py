"""The model as a torch graph: frontend -> encoder -> pooling -> head, waveform in, logits out.

Needs the ``train`` extra. Using a trained model does not: see :mod:`affekt.runtime`.
"""

from __future__ import annotations

from affekt.models import cnn, crnn, tcn, transformer  # noqa: F401  (each registers itself)
from affekt.models import cnn as _cnn  # noqa: F401  (each architecture registers itself)
from affekt.models import light as _light  # noqa: F401
from affekt.models.network import Network, NetworkConfig, build_network, describe
from affekt.models.registry import ARCHITECTURES, register

__all__ = ["ARCHITECTURES", "Network", "NetworkConfig", "build_network", "describe", "register"]
