"""Each stored figure is of a recipe that is there, as it is today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from _common import recipe_file

from affekt.evaluation.results import read_results
from affekt.training import load_recipe
from affekt.training.recipe.schema import effective_values

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"


def differing(stored: Any, now: Any, where: str = "") -> Iterator[str]:
    """Yield the keys whose stored value is another one now; keys that came later do not count."""
    if isinstance(stored, Mapping) and isinstance(now, Mapping):
        for key, value in stored.items():
            yield from differing(value, now.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        for place, (one, other) in enumerate(zip(stored, now, strict=True)):
            yield from differing(one, other, f"{where}[{place}]")
    elif stored != now:
        yield where


def test_every_stored_result_is_of_a_recipe() -> None:
    results = read_results(RESULTS)
    assert len(results) > 40
    wrong = {}
    for result in results:
        recipe = load_recipe(recipe_file(result.recipe))
        assert recipe.name == result.recipe
        changed = list(differing(result.settings, effective_values(recipe)))
        if changed := [key for key in changed if not key.endswith("description")]:
            wrong[result.protocol, result.recipe] = changed
    assert wrong == {}, "measure these again: their recipe has changed"


def test_a_changed_key_is_seen_and_a_new_one_is_not() -> None:
    now = effective_values(load_recipe("cnn"))
    assert list(differing(now, now)) == []
    older = {key: value for key, value in now.items() if key != "tasks"}
    assert list(differing(older, now)) == []
    other = effective_values(
        load_recipe("cnn", {"training.epochs": 5, "model.pooling": "attention"})
    )
    assert sorted(differing(other, now)) == ["model.pooling", "training.epochs"]
