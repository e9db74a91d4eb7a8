"""The system of the usual tutorial: 66 averages of a clip, and a convolution over them.

Kept as it is written, to see what it gives: the convolution slides over a list of features that
have no order, after the average over time has thrown away what a convolution could have used.
It takes a vector, so it cannot become part of a model directory, which takes a waveform.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.training.recipe.classical import TutorialOptions

_FILTERS = (64, 128)
_POOL = 2
_UNITS = 128
_KERAS_EPSILON = 1e-7  # of Adam; the tutorial is written in Keras
_BATCH = 1024  # clips scored at once


class TutorialNetwork(nn.Sequential):
    """Two convolutions with max pooling, a dense layer, dropout and the answer.

    ``[batch, features] -> [batch, classes]`` logits.
    """

    def __init__(self, n_features: int, n_classes: int, options: TutorialOptions) -> None:
        length = n_features
        for _ in _FILTERS:
            length = (length - options.kernel + 1) // _POOL
        if length < 1:
            raise ConfigError(
                f"tutorial: {n_features} features are too few for a kernel of {options.kernel}"
            )
        narrow, wide = _FILTERS
        super().__init__(
            nn.Unflatten(1, (1, n_features)),
            nn.Conv1d(1, narrow, options.kernel),
            nn.ReLU(),
            nn.MaxPool1d(_POOL),
            nn.Conv1d(narrow, wide, options.kernel),
            nn.ReLU(),
            nn.MaxPool1d(_POOL),
            nn.Flatten(),
            nn.Linear(wide * length, _UNITS),
            nn.ReLU(),
            nn.Dropout(options.dropout),
            nn.Linear(_UNITS, n_classes),
        )
        for module in self:
            if isinstance(module, (nn.Conv1d, nn.Linear)):  # as Keras begins
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]


class TutorialClassifier:
    """The network with the habits of a scikit-learn classifier.

    Parameters
    ----------
    options : TutorialOptions
    seed : int
        Of the weights, the order of the clips and the dropout.
    """

    def __init__(self, options: TutorialOptions, seed: int) -> None:
        self.options = options
        self.seed = seed
        self.classes_ = np.array([], dtype=int)
        self.best_epoch_ = options.epochs  # counted from 1
        self.network: TutorialNetwork | None = None

    def fit(
        self,
        points: np.ndarray,
        targets: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> TutorialClassifier:
        """Learn from standardised features ``[clips, features]`` and classes ``[clips]``.

        Parameters
        ----------
        points, targets : np.ndarray
        validation : tuple of np.ndarray, optional
            The same of clips that stop the training early; without them a tenth of the clips,
            drawn at random, does.
        """
        options = self.options
        if options.patience and validation is None:
            points, targets, validation = _tenth(points, targets, self.seed)
        self.classes_ = np.unique(targets)
        x, y = self._tensors(points, targets)
        held_out = self._tensors(*validation) if validation and options.patience else None
        if held_out and not len(held_out[0]):
            held_out = None
        best, best_loss, best_epoch = None, np.inf, 0
        # Dropout draws from torch's own generator: seed it, and give it back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = TutorialNetwork(x.shape[1], len(self.classes_), options).train()
            adam = torch.optim.Adam(
                network.parameters(), lr=options.learning_rate, eps=_KERAS_EPSILON
            )
            for epoch in range(options.epochs):
                for chosen in torch.split(torch.randperm(len(x)), options.batch_size):
                    loss = nn.functional.cross_entropy(network(x[chosen]), y[chosen])
                    adam.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    adam.step()
                if held_out is None:
                    continue
                loss_now = _loss(network, *held_out)
                if loss_now < best_loss:
                    best, best_loss, best_epoch = deepcopy(network.state_dict()), loss_now, epoch
                elif epoch - best_epoch >= options.patience:
                    break
        if best:
            network.load_state_dict(best)
            self.best_epoch_ = best_epoch + 1
        self.network = network.eval()
        return self

    def _tensors(self, points: np.ndarray, targets: np.ndarray) -> tuple[Tensor, Tensor]:
        """Points and places of their classes; clips of a class that is not learned are left out."""
        known = np.isin(targets, self.classes_)
        places = np.searchsorted(self.classes_, targets[known])
        return torch.from_numpy(points[known]).float(), torch.from_numpy(places)

    @torch.inference_mode()
    def decision_function(self, points: np.ndarray) -> np.ndarray:
        """Logits ``[clips, classes]`` of standardised features ``[clips, features]``."""
        if self.network is None:
            raise ConfigError("the tutorial's network must be fitted before it answers")
        return _logits(self.network, torch.from_numpy(points).float()).double().numpy()


def _logits(network: nn.Module, rows: Tensor) -> Tensor:
    parts: list[Tensor] = [network(part) for part in torch.split(rows, _BATCH)]
    return torch.cat(parts)


@torch.inference_mode()
def _loss(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Cross-entropy in nats, without dropout."""
    network.eval()
    loss = float(nn.functional.cross_entropy(_logits(network, x), y))
    network.train()
    return loss


def _tenth(
    points: np.ndarray, targets: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Split off a tenth of the clips at random."""
    order = np.random.default_rng(seed).permutation(len(points))
    held, kept = np.split(order, [max(1, len(points) // 10)])
    return points[kept], targets[kept], (points[held], targets[held])
