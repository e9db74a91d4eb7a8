"""Fingerprint of a run: what must be equal for a finished or interrupted run to be taken again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from affekt.data import Clip
from affekt.training.recipe.schema import Recipe, effective_values
from affekt.training.recipe.tasks import HEADS

RUN_VERSION = 2
"""Raised when the same recipe, clips and seed no longer make the same run.

1 left out the keys that had the default of the day, so a changed default went unseen.
"""

_NOT_LEARNED = ("checkpoint_seconds", "device", "compile")
"""Keys of ``[training]`` for how often a run saves and where it runs."""


def run_fingerprint(
    recipe: Recipe, train: Sequence[Clip], validation: Sequence[Clip], seed: int
) -> str:
    """Version and SHA-256 of everything that decides a run.

    That is every key of the recipe with its effective value (but its name, its description, how
    often it saves and where it runs), the clips with what is learned from them, and the seed.
    """
    clips = [
        [side, clip.file.name, clip.speaker, clip.emotion, clip.start, clip.end]
        for side, group in (("train", train), ("validation", validation))
        for clip in group
    ]
    learned: dict[str, Any] = {}
    if recipe.imbalance.votes:
        learned["votes"] = [dict(clip.votes) if clip.votes else None for clip in train]
    for name in recipe.tasks.heads:
        for column in HEADS[name].columns(recipe.tasks):
            learned[_PLURALS.get(column, column)] = [getattr(clip, column) for clip in train]
    decisive = [_decisive(effective_values(recipe)), clips, learned, seed]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return f"{_PREFIX}{digest}"


_PLURALS = {"intensity": "intensities", "strength": "strengths"}
"""Under other names in fingerprints, so that those of finished runs stay as they are."""

_PREFIX = f"v{RUN_VERSION}-"


def is_of_this_version(fingerprint: str) -> bool:
    """Whether a fingerprint can be compared with those that this version makes."""
    return fingerprint.startswith(_PREFIX)


def _decisive(values: dict[str, Any]) -> dict[str, Any]:
    """Plain values of a recipe, and of those that it names, without what changes no weight."""
    kept = {key: value for key, value in values.items() if key not in ("name", "description")}
    kept["training"] = {k: v for k, v in values["training"].items() if k not in _NOT_LEARNED}
    for key in ("pretrain", "taught_by"):
        kept[key] = _decisive(values[key]) if values[key] else None
    if values["ensemble"]:
        members = [_decisive(member) for member in values["ensemble"]["members"]]
        kept["ensemble"] = {**values["ensemble"], "members": members}
    return kept
