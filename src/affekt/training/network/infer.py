"""Many clips through a network, in batches, with the outputs of the exported model for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from affekt.data import Clip
from affekt.models import Network
from affekt.training.data.features import FeatureStore, pad

_BATCH_SIZE = 64


def score_clips(network: Network, clips: Sequence[Clip], store: FeatureStore) -> np.ndarray:
    """Logits of clips, before calibration.

    Parameters
    ----------
    network : Network
        In evaluation mode on return.
    clips : sequence of Clip
    store : FeatureStore
        Features are computed where they are missing.

    Returns
    -------
    np.ndarray [shape=(clips, classes), float64]
    """
    return _in_batches(network, network.classify, len(network.config.labels), clips, store)


def embed_clips(network: Network, clips: Sequence[Clip], store: FeatureStore) -> np.ndarray:
    """Embeddings of clips ``[clips, embedding]``, float32; otherwise as :func:`score_clips`."""
    embeddings = _in_batches(network, network.embed, network.embedding_size, clips, store)
    return embeddings.astype(np.float32)


@torch.inference_mode()
def _in_batches(
    network: Network,
    answer: Callable[[Tensor, Tensor], Tensor],
    width: int,
    clips: Sequence[Clip],
    store: FeatureStore,
) -> np.ndarray:
    network.eval()
    device = next(network.parameters()).device
    store = store.through(network.encoder)
    features = [store.get(clip) for clip in clips]
    answers = np.zeros((len(clips), width))
    # Alike lengths together: padding is masked, so it costs time but never changes an answer.
    order = np.argsort([item.shape[1] for item in features], kind="stable")
    for first in range(0, len(order), _BATCH_SIZE):
        chosen = order[first : first + _BATCH_SIZE]
        padded, lengths = pad([features[index] for index in chosen])
        result = answer(torch.from_numpy(padded).to(device), torch.from_numpy(lengths).to(device))
        answers[chosen] = result.double().cpu().numpy()
    return answers
