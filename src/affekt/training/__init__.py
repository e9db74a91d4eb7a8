"""Training: labelled clips and a recipe in, a run folder with a model directory out.

Needs the ``train`` extra.

    recipe, clips  ->  features -> loop (losses, averaging, checkpoint)  ->  run folder
"""

from __future__ import annotations

from affekt.errors import MissingExtraError

try:
    import safetensors as _safetensors  # noqa: F401
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "torch") from None

from affekt.training.data.features import FeatureStore
from affekt.training.network.fit import FitResult, fit
from affekt.training.network.infer import score_clips
from affekt.training.recipe.file import load_recipe
from affekt.training.recipe.schema import Recipe
from affekt.training.search.search import SearchResult, search
from affekt.training.search.space import read_space

__all__ = [
    "FeatureStore",
    "FitResult",
    "Recipe",
    "SearchResult",
    "fit",
    "load_recipe",
    "read_space",
    "score_clips",
    "search",
]
