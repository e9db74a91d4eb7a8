"""Scoring many clips with a network, in batches, as the exported model would score each alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from affekt.data import Clip
from affekt.models import Network
from affekt.training.features import FeatureStore, pad

_BATCH_SIZE = 64


@torch.inference_mode()
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
    network.eval()
    device = next(network.parameters()).device
    features = [store.get(clip) for clip in clips]
    logits = np.zeros((len(clips), len(network.config.labels)))
    # Alike lengths together: padding is masked, so it costs time but never changes an answer.
    order = np.argsort([item.shape[1] for item in features], kind="stable")
    for first in range(0, len(order), _BATCH_SIZE):
        chosen = order[first : first + _BATCH_SIZE]
        log_mel, lengths = pad([features[index] for index in chosen])
        result = network.classify(
            torch.from_numpy(log_mel).to(device), torch.from_numpy(lengths).to(device)
        )
        logits[chosen] = result.double().cpu().numpy()
    return logits
