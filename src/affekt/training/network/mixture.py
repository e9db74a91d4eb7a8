"""The mean of the weights of several networks, and the norms that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from affekt.models import Network, build_network
from affekt.training.data.batches import Batch

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


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
def recompute_norms(network: Network, batches: Iterable[Batch]) -> int:
    """Measure anew what batch norms normalise by, over training clips.

    The batches run through the network once, cropped, augmented and padded as training makes them:
    that is what the weights were fitted to, and clips as they were recorded would shift every
    norm. Each takes the plain mean over batches of the mean and the variance that it meets;
    dropout is off, and no weight changes.

    Parameters
    ----------
    network : Network
        Changed in place; in evaluation mode on return.
    batches : iterable of Batch
        Each of two or more clips, as :class:`affekt.training.data.batches.Batches` gives them.

    Returns
    -------
    int
        Clips that were heard.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a plain mean over batches
        norm.train()
    heard = 0
    for batch in batches:
        embedding = network.embed(batch.log_mel, batch.lengths)
        network.head(embedding)
        if network.intensity_head is not None:
            network.intensity_head(embedding)
        heard += len(batch.lengths)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
    return heard
