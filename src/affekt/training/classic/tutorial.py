"""The system of the usual tutorial: 66 averages of a clip, and a convolution over them.

Kept as it is written, to see what it gives: the convolution slides over a list of features that
have no order, after the average over time has thrown away what a convolution could have used.
It takes a vector, so it cannot become part of a model directory, which takes a waveform.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.training.classic.schema import TutorialOptions

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
        self.network: TutorialNetwork | None = None

    def fit(self, points: np.ndarray, targets: np.ndarray) -> TutorialClassifier:
        """Learn from standardised features ``[clips, features]`` and classes ``[clips]``."""
        options = self.options
        self.classes_, indices = np.unique(targets, return_inverse=True)
        x, y = torch.from_numpy(points).float(), torch.from_numpy(indices.reshape(-1))
        # Dropout draws from torch's own generator: seed it, and give it back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = TutorialNetwork(x.shape[1], len(self.classes_), options).train()
            adam = torch.optim.Adam(
                network.parameters(), lr=options.learning_rate, eps=_KERAS_EPSILON
            )
            for _ in range(options.epochs):
                for chosen in torch.split(torch.randperm(len(x)), options.batch_size):
                    loss = nn.functional.cross_entropy(network(x[chosen]), y[chosen])
                    adam.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    adam.step()
        self.network = network.eval()
        return self

    @torch.inference_mode()
    def decision_function(self, points: np.ndarray) -> np.ndarray:
        """Logits ``[clips, classes]`` of standardised features ``[clips, features]``."""
        if self.network is None:
            raise ConfigError("the tutorial's network must be fitted before it answers")
        rows = torch.from_numpy(points).float()
        parts: list[Tensor] = [self.network(part) for part in torch.split(rows, _BATCH)]
        return torch.cat(parts).double().numpy()
