"""The mean of the weights of several networks, and the norms that it needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from affekt.data import Clip
from affekt.models import Network, build_network
from affekt.training.features import FeatureStore, pad

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_BATCH_SIZE = 64


def mix(networks: Sequence[Network]) -> Network:
    """The mean of the weights of networks of one shape, in evaluation mode.

    Counters are taken from the first. Statistics of batch norms are averaged like weights, which
    describes the mixture badly: see :func:`recompute_norms`.
    """
    states = [network.state_dict() for network in networks]
    mean: dict[str, Tensor] = {}
    for key, first in states[0].items():
        if first.dtype.is_floating_point:
            stacked = torch.stack([state[key].double() for state in states])
            mean[key] = stacked.mean(dim=0).to(first.dtype)
        else:
            mean[key] = first.clone()
    return build_network(networks[0].config, mean).eval()


@torch.no_grad()
def recompute_norms(network: Network, clips: Sequence[Clip], store: FeatureStore) -> None:
    """Measure anew what batch norms normalise by, over training clips.

    The whole clips, as they were recorded, run through the network once, in batches of about 64
    in a fixed random order, padded as in training. Each norm takes the plain mean over batches of
    the mean and the variance that it meets; dropout is off, and no weight changes.

    Parameters
    ----------
    network : Network
        Changed in place; in evaluation mode on return.
    clips : sequence of Clip
        Two or more.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a plain mean over batches
        norm.train()
    order = np.random.default_rng(0).permutation(len(clips))
    for chosen in np.array_split(order, -(-len(clips) // _BATCH_SIZE)):
        log_mel, lengths = pad([store.get(clips[index]) for index in chosen])
        embedding = network.embed(torch.from_numpy(log_mel), torch.from_numpy(lengths))
        network.head(embedding)
        if network.intensity_head is not None:
            network.intensity_head(embedding)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
