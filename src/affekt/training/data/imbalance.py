"""What a recipe says about classes of unequal size and labels of unequal certainty."""

from __future__ import annotations

from dataclasses import dataclass

from affekt.errors import ConfigError
from affekt.training.data.sampling import SAMPLERS, SHUFFLE


@dataclass(frozen=True)
class ImbalanceConfig:
    """Methods against imbalance, all off; ``training.class_weights`` is on beside them.

    Parameters
    ----------
    focal_gamma : float
        Focal loss: how strongly clips that are answered well already count less. 2 is usual.
    logit_adjustment : float
        Strength of the logit adjustment; 1 removes the classes' shares from the answer. Needs
        ``training.class_weights = false``, which would remove them once more.
    sampler : str
        ``"shuffle"``, ``"square_root"`` or ``"balanced"``. Class weights and logit adjustment
        even out only what the sampler has left uneven.
    smote : bool
        After training, fit the last layer again on embeddings evened out by SMOTE.
    smote_l2 : float
        How strongly that layer is held where training left it.
    votes : float
        Weight, from 0 to 1, of the raters' votes against the intended label.
    """

    focal_gamma: float = 0.0
    logit_adjustment: float = 0.0
    sampler: str = SHUFFLE
    smote: bool = False
    smote_l2: float = 1e-3
    votes: float = 0.0

    def __post_init__(self) -> None:
        for name in ("focal_gamma", "logit_adjustment", "smote_l2"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"imbalance.{name} must be 0 or more, got {getattr(self, name)}")
        if self.sampler not in SAMPLERS:
            known = ", ".join(SAMPLERS)
            raise ConfigError(f"imbalance.sampler must be one of {known}, got {self.sampler!r}")
        if not 0 <= self.votes <= 1:
            raise ConfigError(f"imbalance.votes must be in [0, 1], got {self.votes}")
