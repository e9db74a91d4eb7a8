"""Recipes that ship with the package, found by name. Needs no extra."""

from __future__ import annotations

import sys
from pathlib import Path

from affekt.config import did_you_mean
from affekt.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SPACES = "spaces"
"""Folder, among the recipes, of what ``affekt search`` may try."""


def shipped_folder() -> Path:
    """The folder of the shipped recipes: in the package, or in the source tree beside ``src``."""
    package = Path(__file__).resolve().parent
    inside = package / "assets" / "recipes"
    return inside if inside.is_dir() else package.parents[1] / "recipes"


def recipe_names(kind: str = "") -> tuple[str, ...]:
    """Names of the shipped recipes in order, or of the shipped search spaces (``"spaces"``)."""
    return tuple(sorted(path.stem for path in (shipped_folder() / kind).glob("*.toml")))


def keys_named(name: str) -> tuple[str, ...]:
    """Return the keys of shipped recipes whose last part is a name: ``training.epochs``."""
    name = {"lr": "learning_rate"}.get(name, name)
    found: set[str] = set()
    for file in shipped_folder().glob("*.toml"):
        for section, values in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if isinstance(values, dict) and name in values:
                found.add(f"{section}.{name}")
    return tuple(sorted(found))


def find_recipe(name: str | Path, beside: Path = Path(), kind: str = "") -> Path:
    """Return the TOML file of a recipe, or of a search space.

    Parameters
    ----------
    name : str or Path
        A path, or the name of a shipped recipe. A file at that path comes first.
    beside : Path
        Folder that a relative path starts from.
    kind : str
        ``"spaces"`` for a search space.

    Raises
    ------
    ConfigError
        If there is neither; the message lists the names.
    """
    path = beside / name
    if path.is_file():
        return path
    known = recipe_names(kind)
    stem = Path(name).name.removesuffix(".toml")
    if Path(name).name == str(name) and stem in known:
        return shipped_folder() / kind / f"{stem}.toml"
    what = "space" if kind else "recipe"
    raise ConfigError(
        f"{what} not found: {path}; by name there are {', '.join(known)}"
        + did_you_mean(stem, known)
    )
