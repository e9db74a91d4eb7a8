"""What the commands that read a recipe share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from affekt.recipe_files import recipe_names

if TYPE_CHECKING:
    from affekt.training import Recipe

RECIPE_HELP = f"Name or TOML file of a recipe. By name: {', '.join(recipe_names())}."

SetOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the recipe, e.g. training.epochs=5 or model.options.channels=96; "
        "the value is TOML. May be given several times.",
    ),
]


def read_recipe(recipe: str, changes: Sequence[str] | None, device: str = "") -> Recipe:
    """Read the recipe of a command line, with its changes and device."""
    from affekt.training import load_recipe
    from affekt.training.recipe.file import read_changes
    from affekt.training.recipe.schema import on_device

    loaded = load_recipe(recipe, read_changes(changes or ()))
    return on_device(loaded, device) if device else loaded


def name_of_changed(recipe: Recipe, changes: Sequence[str] | None) -> str:
    """Name of a recipe with its changes, so that its results do not replace the recipe's own."""
    from affekt.training.recipe.file import read_changes

    made = read_changes(changes or ())
    if not made or "name" in made:
        return recipe.name
    words = (recipe.name, *(f"{key}-{value}" for key, value in made.items()))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(words))[:120].strip("-")
