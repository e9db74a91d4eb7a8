"""SMOTE: more points of rare classes, made between neighbours of the same class.

Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique" (2002). A point between two
vectors of functionals or two embeddings is a plausible third one; a point between two waveforms
or two spectrograms is two people talking at once. So SMOTE belongs where a clip has become one
vector: before a classical model, or before the last layer of a network.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from affekt.errors import DataError
from affekt.models import Network
from affekt.training.network.linear import fit_layer

NEIGHBOURS = 5
"""Neighbours of the same class to choose a partner from, as in the paper."""


def oversample(
    points: np.ndarray, targets: np.ndarray, *, seed: int = 0, neighbours: int = NEIGHBOURS
) -> tuple[np.ndarray, np.ndarray]:
    """Add points until all classes that occur have as many as the largest one.

    Parameters
    ----------
    points : np.ndarray [shape=(clips, dimensions)]
        Standardised: neighbours are found by Euclidean distance.
    targets : np.ndarray [shape=(clips,), int]
    seed : int
        Of the choice of neighbours and of the places between them.
    neighbours : int
        Fewer are used where a class has fewer points.

    Returns
    -------
    points, targets : np.ndarray
        The given ones first, in their order, then the new ones.

    Raises
    ------
    DataError
        If a class has a single point: there is nothing to lie between.
    """
    from imblearn.over_sampling import SMOTE

    classes, counts = np.unique(targets, return_counts=True)
    if len(classes) < 2 or counts.min() == counts.max():
        return points, targets
    if counts.min() < 2:
        raise DataError("SMOTE needs two or more clips of every class, and one class has only one")
    made, labels = [points], [targets]
    for value, count in zip(classes, counts, strict=True):
        if count == counts.max():
            continue
        # One class at a time, each with as many neighbours as it has; the others are along
        # because SMOTE wants a larger class to catch up with.
        sampler = SMOTE(
            sampling_strategy={value: int(counts.max())},
            k_neighbors=min(neighbours, int(count) - 1),
            random_state=seed,
        )
        resampled, _ = sampler.fit_resample(points, targets)
        made.append(resampled[len(points) :])
        labels.append(np.full(counts.max() - count, value, dtype=targets.dtype))
    return np.concatenate(made), np.concatenate(labels)


def refit_head(
    network: Network,
    embeddings: np.ndarray,
    targets: np.ndarray,
    allowed: np.ndarray,
    *,
    l2: float,
    seed: int = 0,
) -> None:
    """Fit the last layer of a network again, on embeddings that SMOTE has evened out.

    The encoder stays. The layer is fitted by multinomial logistic regression from where training
    left it, and ``l2`` pulls it back to there: it moves only as far as evenness asks for. Clips
    of corpora that know other classes are evened out by themselves.

    Parameters
    ----------
    network : Network
        Changed in place; in evaluation mode on return.
    embeddings : np.ndarray [shape=(clips, embedding), float32]
        Of the training clips, without augmentation.
    targets : np.ndarray [shape=(clips,), int]
    allowed : np.ndarray [shape=(clips, classes), bool]
        Classes of each clip's corpus.
    l2 : float
        Weight of the squared distance from the trained layer, relative to the mean loss.
    seed : int
    """
    network.eval()
    *before, layer = network.head
    if not isinstance(layer, nn.Linear):
        raise DataError(f"cannot refit a head that ends in {type(layer).__name__}")
    device = layer.weight.device
    with torch.inference_mode():
        points = nn.Sequential(*before).eval()(torch.from_numpy(embeddings).to(device))
    groups = [
        (*oversample(points.cpu().numpy()[own], targets[own], seed=seed), known)
        for known, own in _groups(allowed)
    ]
    x = torch.from_numpy(np.concatenate([made for made, _, _ in groups])).float().to(device)
    y = torch.from_numpy(np.concatenate([labels for _, labels, _ in groups])).to(device)
    known = torch.from_numpy(np.concatenate([np.tile(k, (len(m), 1)) for m, _, k in groups]))
    evened = nn.functional.one_hot(y, layer.out_features).float()
    fit_layer(layer, x, evened, known.to(device), l2, start=True)


def _groups(allowed: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of equal masks: each mask, and which rows have it."""
    masks, member = np.unique(allowed, axis=0, return_inverse=True)
    return [(mask, member.reshape(-1) == number) for number, mask in enumerate(masks)]
