"""Variants: what training hears instead of a recording, augmented once and drawn many times.

Waveform augmentation costs milliseconds a clip, a training step has none to spare. So every
clip gets a few variants before training, and each step draws one of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from affekt.audio import resample
from affekt.augment import Compose
from affekt.data import Clip
from affekt.training.recipe.schema import Recipe


@dataclass(frozen=True)
class Variant:
    """One augmented version of every clip.

    Parameters
    ----------
    chain : Compose
        Transforms of the waveform.
    speed : float
        Playback speed before them.
    seed : int
    number : int
        Which of the variants it is; another number draws anew.
    """

    chain: Compose
    speed: float
    seed: int
    number: int

    def apply(self, samples: np.ndarray, clip: Clip, rate: int) -> np.ndarray:
        """Make this variant of a clip's samples ``[samples]``.

        What is drawn follows from the seed, the number and the clip's name, wherever its file
        lies and whichever clips came before it.
        """
        name = hashlib.sha256(f"{clip.corpus}/{clip.name}".encode()).digest()
        words = np.frombuffer(name[:16], dtype="<u4").tolist()
        rng = np.random.default_rng([self.seed, self.number, *words])
        return self.chain(play(samples, self.speed, rate), rate, rng)


def play(samples: np.ndarray, speed: float, rate: int) -> np.ndarray:
    """Samples played faster by ``speed``: pitch and tempo move together."""
    return samples if speed == 1 else resample(samples, round(rate * speed), rate)


def variants_of(recipe: Recipe, seed: int) -> tuple[Variant, ...]:
    """The variants that a recipe asks for; none where it has no waveform augmentation.

    They take turns with the recipe's speeds, so that as many variants as speeds have each once.
    """
    augment = recipe.augment
    if not augment.enabled:
        return ()
    speeds = recipe.training.speeds
    return tuple(
        Variant(augment.waveform_chain, speeds[number % len(speeds)], seed, number)
        for number in range(augment.variants)
    )
