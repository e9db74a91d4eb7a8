"""The model as a torch graph: frontend -> encoder -> pooling -> head, waveform in, logits out.

Needs the ``train`` extra. Using a trained model does not: see :mod:`affekt.runtime`.
"""

from __future__ import annotations

from affekt.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "torch") from None

from affekt.models.encoders import (
    cnn,  # noqa: F401
    crnn,  # noqa: F401
    light,  # noqa: F401
    ssl,  # noqa: F401
    statistics,  # noqa: F401
    tcn,  # noqa: F401
    transformer,  # noqa: F401
)
from affekt.models.network import Network, NetworkConfig, build_network, describe
from affekt.models.registry import ARCHITECTURES, register
from affekt.models.survey import ArchitectureFacts, architecture_facts, network_facts, survey

__all__ = [
    "ARCHITECTURES",
    "ArchitectureFacts",
    "Network",
    "NetworkConfig",
    "architecture_facts",
    "build_network",
    "describe",
    "network_facts",
    "register",
    "survey",
]
