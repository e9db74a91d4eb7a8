"""Classifiers on standardised vectors: construction, scores and size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.training.recipe.classical import (
    BoostingOptions,
    LogisticOptions,
    MlpOptions,
    SvmOptions,
    TutorialOptions,
)

_LEAST_PROBABILITY = 1e-12  # keeps a logarithm finite
_FAR_BELOW = 10.0  # score of a class that was never trained, below the least of the others
_MOST_ITERATIONS = 2000  # of logistic regression, which converges long before
_CACHE_MB = 500  # for the kernel of the support vector machine


def fit(
    options: Any,
    points: np.ndarray,
    targets: np.ndarray,
    *,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    weighted: bool = False,
    seed: int = 0,
) -> Any:
    """Fit the classifier that options belong to.

    Parameters
    ----------
    options : dataclass
        One of :data:`affekt.training.recipe.classical.OPTIONS`.
    points : np.ndarray [shape=(clips, features)]
        Standardised and complete.
    targets : np.ndarray [shape=(clips,), int]
    validation : tuple of np.ndarray, optional
        Standardised points and classes by which a network stops early; the others ignore them.
    weighted : bool
        Weight clips by the inverse frequency of their class, where the classifier can.
    seed : int
        Of what is random in it; the support vector machine and the regression are not.
    """
    classifier = _make(options, points.shape[1], "balanced" if weighted else None, seed)
    with warnings.catch_warnings():
        if isinstance(options, MlpOptions):  # the last epoch is the intended end
            warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")
        if isinstance(options, TutorialOptions):
            return classifier.fit(points, targets, validation)
        return classifier.fit(points, targets)


def _make(options: Any, n_features: int, class_weight: str | None, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    if isinstance(options, SvmOptions):
        gamma = options.gamma / n_features
        return SVC(C=options.c, gamma=gamma, class_weight=class_weight, cache_size=_CACHE_MB)
    if isinstance(options, LogisticOptions):
        return LogisticRegression(C=options.c, class_weight=class_weight, max_iter=_MOST_ITERATIONS)
    if isinstance(options, BoostingOptions):
        return HistGradientBoostingClassifier(
            max_iter=options.rounds,
            learning_rate=options.learning_rate,
            max_leaf_nodes=options.leaves,
            l2_regularization=options.l2,
            max_features=options.features,
            max_bins=options.bins,
            early_stopping=False,
            class_weight=class_weight,
            random_state=seed,
        )
    if isinstance(options, MlpOptions):
        return MLPClassifier(
            hidden_layer_sizes=options.hidden,
            alpha=options.l2,
            max_iter=options.epochs,
            n_iter_no_change=options.epochs,  # a fixed number of epochs: never stop early
            batch_size=options.batch_size,
            learning_rate_init=options.learning_rate,
            random_state=seed,
        )
    assert isinstance(options, TutorialOptions)

    return TutorialClassifier(options, seed)


def logits(classifier: Any, points: np.ndarray, n_classes: int) -> np.ndarray:
    """Scores of classes ``[clips, classes]``, float64, ready for a temperature and a softmax.

    Decision values where the classifier has them (of a support vector machine the one-vs-rest
    form of its pairwise votes), else logarithms of its probabilities. A class that was not
    trained gets a score far below the others.
    """
    if hasattr(classifier, "decision_function"):
        scores = np.asarray(classifier.decision_function(points), dtype=np.float64)
        if scores.ndim == 1:  # two classes: one value, positive for the second one
            scores = np.stack([-scores / 2, scores / 2], axis=1)
    else:
        scores = np.log(np.maximum(classifier.predict_proba(points), _LEAST_PROBABILITY))
    full = np.full((len(points), n_classes), scores.min() - _FAR_BELOW)
    full[:, classifier.classes_] = scores
    return full


class Learned(NamedTuple):
    """What a fitted classifier must remember to answer.

    Attributes
    ----------
    numbers : mapping of str to np.ndarray
        What was learned: weights, support vectors, thresholds. Each is a parameter.
    structure : mapping of str to np.ndarray
        How these hang together, such as the children of a tree's nodes: bytes, no parameters.
    """

    numbers: Mapping[str, np.ndarray]
    structure: Mapping[str, np.ndarray]

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(array.size for array in self.numbers.values())

    @property
    def bytes(self) -> int:
        """Size of an uncompressed ``.npz`` file of everything, numbers as float32."""
        plain = {name: np.asarray(array, np.float32) for name, array in self.numbers.items()}
        with io.BytesIO() as file:
            np.savez(file, **plain, **self.structure)  # type: ignore[arg-type]
            return file.tell()


def learned(classifier: Any) -> Learned:
    """Stored numbers of a fitted classifier."""
    kind = type(classifier).__name__
    if kind == "SVC":
        own = ("support_vectors_", "dual_coef_", "intercept_")
        counts = {"n_support": classifier.n_support_.astype(np.int32)}
        return Learned({name: getattr(classifier, name) for name in own}, counts)
    if kind == "LogisticRegression":
        return Learned({name: getattr(classifier, name) for name in ("coef_", "intercept_")}, {})
    if kind == "HistGradientBoostingClassifier":
        return _trees(classifier)
    if kind == "MLPClassifier":
        weights = {f"weights{i}": part for i, part in enumerate(classifier.coefs_)}
        biases = {f"biases{i}": part for i, part in enumerate(classifier.intercepts_)}
        return Learned({**weights, **biases}, {})
    state = classifier.network.state_dict()
    return Learned({name: value.numpy() for name, value in state.items()}, {})


def _trees(classifier: Any) -> Learned:
    """All trees, one after the other: a leaf has a value, a split has a threshold and a feature.

    The feature that a split looks at is learned like its threshold, and counts as a parameter
    although it is stored as an integer.
    """
    trees = [tree.nodes for round_ in classifier._predictors for tree in round_]
    nodes = np.concatenate(trees)
    leaf = nodes["is_leaf"].astype(bool)
    return Learned(
        {
            "value": nodes["value"][leaf],
            "threshold": nodes["num_threshold"][~leaf],
            "feature": nodes["feature_idx"][~leaf],
            "baseline": np.asarray(classifier._baseline_prediction).reshape(-1),
        },
        {
            "left": nodes["left"][~leaf].astype(np.uint16),
            "right": nodes["right"][~leaf].astype(np.uint16),
            "leaf": np.packbits(leaf),
            "sizes": np.array([len(tree) for tree in trees], dtype=np.uint16),
        },
    )


# --- tutorial ---


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
