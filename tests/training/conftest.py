"""Made-up voices, their features and small recipes, shared by the tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tone_corpus import tone_clips, write_recipe

torch = pytest.importorskip("torch")

from affekt.data import Clip  # noqa: E402
from affekt.models.frontend import FrontendConfig  # noqa: E402
from affekt.training import FeatureStore, Recipe, load_recipe  # noqa: E402


class Tones(NamedTuple):
    """Clips of made-up speakers: four learn, one validates, three test."""

    train: list[Clip]
    validation: list[Clip]
    test: list[Clip]

    def all(self) -> list[Clip]:
        return [*self.train, *self.validation, *self.test]


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Tones:
    clips = tone_clips(tmp_path_factory.mktemp("tones"))
    split = ("adgc", "h", "bef")
    return Tones(*([clip for clip in clips if clip.speaker in side] for side in split))


@pytest.fixture(scope="session")
def store() -> FeatureStore:
    """Features of clips, computed once for all tests."""
    return FeatureStore(FrontendConfig())


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """Return a function that makes the recipe of a tiny network; see ``write_recipe``."""

    def recipe(**changes: Any) -> Recipe:
        return load_recipe(write_recipe(tmp_path / "tiny.toml", **changes))

    return recipe


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """Weights are compared bit by bit, and tiny networks are fastest so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
