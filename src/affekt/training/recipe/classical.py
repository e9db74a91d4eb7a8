"""Keys of ``[classical]``: systems on one vector per clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from affekt.config import build
from affekt.errors import ConfigError

BALANCES = ("none", "weights", "smote")


@dataclass(frozen=True)
class SvmOptions:
    """Support vector machine with a Gaussian (RBF) kernel.

    Parameters
    ----------
    c : float
        Cost of a training clip on the wrong side.
    gamma : float
        Steepness of the kernel, times the number of features: ``exp(-gamma * d2)`` for a mean
        squared difference d2 per feature. For standardised features, 1 is what scikit-learn
        calls ``"scale"``.
    """

    c: float = 10.0
    gamma: float = 1.0

    def __post_init__(self) -> None:
        _require_positive("svm", self, "c", "gamma")


@dataclass(frozen=True)
class LogisticOptions:
    """Multinomial logistic regression with an L2 penalty.

    Parameters
    ----------
    c : float
        Inverse strength of the penalty.
    """

    c: float = 0.01

    def __post_init__(self) -> None:
        _require_positive("logistic", self, "c")


@dataclass(frozen=True)
class BoostingOptions:
    """Gradient boosting of histogram trees.

    Parameters
    ----------
    rounds : int
        Each adds one tree per class; their number is fixed, there is no early stopping.
    learning_rate : float
        Share of each tree that is added.
    leaves : int
        Most leaves of a tree.
    l2 : float
        Penalty on the values of leaves.
    features : float
        Share of the features that a split may choose from, drawn anew for each split.
    bins : int
        Levels that each feature is rounded to before. The time goes into them: on a thousand
        clips, 255 take five times as long as 32, and answer no better.
    """

    rounds: int = 100
    learning_rate: float = 0.1
    leaves: int = 8
    l2: float = 1.0
    features: float = 0.1
    bins: int = 32

    def __post_init__(self) -> None:
        _require_positive("boosting", self, "rounds", "learning_rate", "features")
        if self.leaves < 2 or self.l2 < 0 or self.features > 1 or not 2 <= self.bins <= 255:
            raise ConfigError(
                "classical: boosting needs leaves >= 2, l2 >= 0, features <= 1 and 2 to 255 bins, "
                f"got {self.leaves}, {self.l2:g}, {self.features:g} and {self.bins}"
            )


@dataclass(frozen=True)
class MlpOptions:
    """Multi-layer perceptron with ReLU, trained with Adam for a fixed number of epochs.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    l2 : float
        Penalty on the weights.
    epochs, batch_size : int
    learning_rate : float
    """

    hidden: tuple[int, ...] = (128,)
    l2: float = 1.0
    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        _require_positive("mlp", self, "epochs", "batch_size", "learning_rate")
        if not self.hidden or min(self.hidden) < 1 or self.l2 < 0:
            raise ConfigError(
                "classical: mlp needs hidden layers of one or more units and l2 >= 0, got "
                f"{list(self.hidden)} and {self.l2:g}"
            )


@dataclass(frozen=True)
class TutorialOptions:
    """The convolutional network of the usual tutorial, over the vector of features.

    Parameters
    ----------
    kernel : int
        Width of both convolutions, in features.
    dropout : float
    epochs : int
        The most epochs.
    patience : int
        Stop after this many epochs without a lower validation loss; the epoch with the lowest is
        kept. 0 trains all epochs and keeps the last one.
    batch_size : int
    learning_rate : float
        Of Adam, constant.
    """

    kernel: int = 3
    dropout: float = 0.5
    epochs: int = 50
    patience: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        _require_positive("tutorial", self, "kernel", "epochs", "batch_size", "learning_rate")
        if self.patience < 0:
            raise ConfigError(
                f"classical: patience of tutorial must be 0 or more, got {self.patience}"
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"classical: dropout must be in [0, 1), got {self.dropout:g}")


OPTIONS: Mapping[str, type[Any]] = {
    "svm": SvmOptions,
    "logistic": LogisticOptions,
    "boosting": BoostingOptions,
    "mlp": MlpOptions,
    "tutorial": TutorialOptions,
}
"""Every system by name, and its options."""

_TAKES_WEIGHTS = ("svm", "logistic", "boosting")


@dataclass(frozen=True)
class ClassicalConfig:
    """A classical system: features of a whole clip, standardised, and a classifier.

    Parameters
    ----------
    model : str
        ``"svm"``, ``"logistic"``, ``"boosting"``, ``"mlp"`` or ``"tutorial"``.
    features : str
        Feature set of :func:`affekt.features.functional_vector`.
    options : dict
        Options of the model.
    grid : dict
        Option to the values to try; the first combination with the best UAR on the validation
        speakers is kept. Without validation speakers, ``options`` count.
    balance : str
        Against imbalance: ``"none"``, ``"weights"`` (by inverse class frequency) or ``"smote"``.
    """

    model: str = "svm"
    features: str = "default"
    options: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, tuple[float, ...]] = field(default_factory=dict)
    balance: str = "none"

    def __post_init__(self) -> None:
        if self.model not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise ConfigError(f"classical.model must be one of {known}, got {self.model!r}")
        if self.balance not in BALANCES:
            known = ", ".join(BALANCES)
            raise ConfigError(f"classical.balance must be one of {known}, got {self.balance!r}")
        if self.balance == "weights" and self.model not in _TAKES_WEIGHTS:
            raise ConfigError(f"classical: {self.model} takes no weights: balance it with 'smote'")
        scalars = [one.name for one in fields(OPTIONS[self.model]) if one.type == "float"]
        for name, values in self.grid.items():
            if name not in scalars:
                known = ", ".join(scalars)
                raise ConfigError(f"classical.grid.{name}: {self.model} can try only {known}")
            if not values:
                raise ConfigError(f"classical.grid.{name} must name one or more values")
        list(self.candidates())  # refuse impossible values now

    def chosen(self) -> Any:
        """The options of the model as its own dataclass."""
        return build(OPTIONS[self.model], self.options, "classical.options")

    def candidates(self) -> Iterator[Any]:
        """The options to choose from on validation speakers."""
        for values in product(*self.grid.values()):
            yield replace(self.chosen(), **dict(zip(self.grid, values, strict=True)))


def _require_positive(model: str, options: Any, *names: str) -> None:
    for name in names:
        if not 0 < getattr(options, name) < float("inf"):
            raise ConfigError(
                f"classical: {name} of {model} must be positive, got {getattr(options, name):g}"
            )
