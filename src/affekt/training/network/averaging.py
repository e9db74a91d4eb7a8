"""Exponential moving average of the weights."""

from __future__ import annotations

import copy

import torch

from affekt.models import Network


class WeightAverage:
    """A second copy of a network that trails the first one smoothly.

    Averaging the path of the weights gives a wider and better minimum than its last point
    (Izmailov et al., 2018), which matters most where data is scarce.

    Parameters
    ----------
    network : Network
        The network being trained.
    decay : float
        Share of the average kept at each step; while there are few steps, less.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Move the average towards the network after optimiser step ``step`` (from 0)."""
        decay = min(self.decay, (step + 1) / (step + 10)) if self.decay else 0.0
        current = network.state_dict()
        fixed = {name for name, p in network.named_parameters() if not p.requires_grad}
        for name, average in self.network.state_dict().items():
            if name in fixed:  # the same in both, and in a frozen encoder by far the most
                continue
            if average.dtype.is_floating_point:
                average.lerp_(current[name], 1 - decay)
            else:
                average.copy_(current[name])
