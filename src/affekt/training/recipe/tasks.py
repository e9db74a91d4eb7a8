"""What a network learns beside the emotions: the heads that give one number, and other tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from torch import Tensor, nn

from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.evaluation.intensity import acted_intensity, rated_intensity
from affekt.labels import INTENSITIES
from affekt.results import DIMENSIONS

ADVERSARIES = ("", "speaker", "gender")


@dataclass(frozen=True)
class TasksConfig:
    """What is learned beside the emotions; by default nothing.

    Parameters
    ----------
    intensity : float
        Weight of the loss of the intensity head; 0 makes none.
    adversary : str
        ``"speaker"`` or ``"gender"``: what the embedding must not predict; empty for none.
    adversary_weight : float
        Weight of that loss.
    masked : float
        Weight of the prediction of masked frames; 0 masks none.
    masked_share : float
        Mean share of a recording that is masked.
    masked_seconds : float
        Length of a mask in seconds.
    emotions : float
        Weight of the loss of the emotions; 0, with ``masked``, learns from the sound alone.
    rated : bool
        Learn as intensity the strength by raters, where known, instead of the acted level.
    valence, arousal, dominance : float
        Weight of the loss of a head that learns these ratings, by concordance; 0 makes none.
    """

    intensity: float = 0.0
    adversary: str = ""
    adversary_weight: float = 0.1
    masked: float = 0.0
    masked_share: float = 0.4
    masked_seconds: float = 0.3
    emotions: float = 1.0
    rated: bool = False
    valence: float = 0.0
    arousal: float = 0.0
    dominance: float = 0.0

    def __post_init__(self) -> None:
        for name in (*HEADS, "adversary_weight", "masked", "emotions"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"tasks.{name} must be 0 or more, got {getattr(self, name)}")
        if not 0 < self.masked_share < 1:
            raise ConfigError(f"tasks.masked_share must be in (0, 1), got {self.masked_share:g}")
        if not 0 < self.masked_seconds < float("inf"):
            raise ConfigError(f"tasks.masked_seconds must be positive, got {self.masked_seconds:g}")
        if not self.emotions and not self.masked:
            raise ConfigError("tasks.emotions is 0 and tasks.masked, too: nothing is learned")
        if self.rated and not self.intensity:
            raise ConfigError("tasks.rated needs tasks.intensity: set it to 0.3, for example")
        if self.adversary not in ADVERSARIES:
            raise ConfigError(
                f"tasks.adversary must be 'speaker', 'gender' or empty, got {self.adversary!r}"
            )

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads beside that of the emotions: those whose loss has a weight."""
        return tuple(name for name in HEADS if getattr(self, name))


@dataclass(frozen=True)
class HeadTask:
    """How a head that gives one number is trained.

    Attributes
    ----------
    targets : callable
        Of clips and the tasks, the value of each clip ``[clips]``, float32; NaN where unknown.
    loss : callable
        Of what the head gives ``[clips]``, the targets, and which of them are known, the loss of
        each clip ``[clips]``; it counts where the target is known.
    columns : callable
        Of the tasks, the fields of a clip that the targets follow from.
    needs : str
        What clips must say.
    """

    targets: Callable[[Sequence[Clip], TasksConfig], np.ndarray]
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    columns: Callable[[TasksConfig], tuple[str, ...]]
    needs: str


def _cross_entropy(found: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross entropy of logits with targets from 0 to 1, of each clip."""
    del known
    return nn.functional.binary_cross_entropy_with_logits(found, targets, reduction="none")


def _concordance_loss(found: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Share of each clip in 1 minus the concordance correlation, of which it is the mean."""

    def mean(values: Tensor) -> Tensor:
        return (values * known).sum() / known.sum().clamp_min(1)

    middle, meant = mean(found), mean(targets)
    spreads = mean((found - middle) ** 2) + mean((targets - meant) ** 2)
    return (found - targets) ** 2 / (spreads + (middle - meant) ** 2 + _NO_SPREAD)


_NO_SPREAD = 1e-6  # a single clip, or equal ratings


def _rated(name: str) -> HeadTask:
    """How a dimension is learned from the ratings of clips."""
    return HeadTask(
        targets=lambda clips, _: np.array([getattr(clip, name) for clip in clips], np.float32),
        loss=_concordance_loss,
        columns=lambda _: (name,),
        needs=f"their rated {name}, from -1 to 1",
    )


def intensity_targets(clips: Sequence[Clip], rated: bool = False) -> np.ndarray:
    """How strongly each clip shows its emotion ``[clips]``, float32; NaN where unknown.

    Parameters
    ----------
    clips : sequence of Clip
    rated : bool
        Prefer the strength by raters to the acted level.

    Raises
    ------
    DataError
        If ``rated`` is set and no clip has a rated strength.
    """
    values = [acted_intensity(clip) for clip in clips]
    if rated:
        strengths = [rated_intensity(clip) for clip in clips]
        if all(strength is None for strength in strengths):
            raise DataError(
                "tasks.rated needs clips whose strength was rated, as those of CREMA-D: "
                "the training data has none"
            )
        both = zip(strengths, values, strict=True)
        values = [value if strength is None else strength for strength, value in both]
    return np.array(values, dtype=np.float32)  # None becomes NaN


HEADS: Mapping[str, HeadTask] = MappingProxyType(
    {
        "intensity": HeadTask(
            targets=lambda clips, tasks: intensity_targets(clips, tasks.rated),
            loss=_cross_entropy,
            columns=lambda tasks: ("intensity", "strength") if tasks.rated else ("intensity",),
            needs=f"how strongly they show their emotion ({', '.join(INTENSITIES)})",
        ),
        **{name: _rated(name) for name in DIMENSIONS},
    }
)
"""By output of `affekt.results.OUTPUTS`, how its head is trained; `TasksConfig` has its weight."""


def head_targets(clips: Sequence[Clip], tasks: TasksConfig) -> np.ndarray:
    """Value of each clip for each head that is trained ``[clips, heads]``; NaN where unknown.

    Raises
    ------
    DataError
        If no clip says what a head needs, or all ratings are the same.
    """
    if not tasks.heads:
        return np.zeros((len(clips), 0), np.float32)
    columns = [HEADS[name].targets(clips, tasks) for name in tasks.heads]
    for name, values in zip(tasks.heads, columns, strict=True):
        if np.isnan(values).all():
            raise DataError(
                f"tasks.{name} needs clips that say {HEADS[name].needs}: the training data has none"
            )
        if name in DIMENSIONS and np.nanmin(values) == np.nanmax(values):
            raise DataError(
                f"tasks.{name}: all clips are rated {np.nanmin(values):g}: nothing can be learned"
            )
    return np.stack(columns, axis=1)
