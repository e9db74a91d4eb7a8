"""Distillation: what a recipe says about the models that a network learns from."""

from __future__ import annotations

from dataclasses import dataclass

from affekt.errors import ConfigError


@dataclass(frozen=True)
class DistilConfig:
    """Who teaches, and how much they count.

    Parameters
    ----------
    teachers : tuple of str
        Model directories; the mean of their answers teaches. Empty: nobody.
    weight : float
        Share of the teachers in the targets, from 0 to 1; the labels have the rest.
    temperature : float
        The teachers' logits are divided by it: above 1, what they find next likely counts more.
    """

    teachers: tuple[str, ...] = ()
    weight: float = 0.7
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"distil.weight must be in [0, 1], got {self.weight:g}")
        if self.temperature <= 0:
            raise ConfigError(f"distil.temperature must be positive, got {self.temperature:g}")
