"""The optimiser: AdamW, with weights that were trained before learning more slowly."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from affekt.models import Network
from affekt.training.recipe.schema import TrainingConfig

SLOWDOWN = "slowdown"
"""Key of a group of parameters: by what its learning rate is divided."""


def make_optimizer(
    network: Network, others: Iterable[nn.Parameter], config: TrainingConfig
) -> torch.optim.AdamW:
    """AdamW that decays weights, but not biases and norms.

    Parameters
    ----------
    network : Network
        Those of its parameters that its encoder calls slow have groups of their own.
    others : iterable of nn.Parameter
        Of what is trained beside it.
    config : TrainingConfig
    """
    slow, slowdown = network.encoder.slow_parameters()
    before = {id(parameter) for parameter in slow}
    everything = [p for p in (*network.parameters(), *others) if p.requires_grad]
    groups = _groups([p for p in everything if id(p) not in before], config.weight_decay, 1.0)
    tuned = [p for p in everything if id(p) in before]
    if tuned:
        groups += _groups(tuned, config.weight_decay, slowdown)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of what is new, and with it that of the rest."""
    for group in optimizer.param_groups:
        group["lr"] = rate / group[SLOWDOWN]


def _groups(
    parameters: list[nn.Parameter], weight_decay: float, slowdown: float
) -> list[dict[str, object]]:
    return [
        {
            "params": [p for p in parameters if p.ndim > 1],
            "weight_decay": weight_decay,
            SLOWDOWN: slowdown,
        },
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, SLOWDOWN: slowdown},
    ]
