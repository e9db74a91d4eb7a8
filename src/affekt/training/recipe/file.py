"""Recipes as TOML files: read with what they extend and with changes, and written back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from affekt.config import (
    build,
    did_you_mean,
    inner_dataclass,
    merge,
    put,
    read_toml,
    to_dict,
    toml_value,
)
from affekt.errors import ConfigError, DataError
from affekt.files import atomic_path
from affekt.recipe_files import find_recipe
from affekt.training.recipe.schema import REFERENCES, Recipe

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def load_recipe(path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe; its name defaults to that of the file.

    Parameters
    ----------
    path : str or Path
        A TOML file, or the name of a shipped recipe.
    changes : mapping of str to Any, optional
        Dotted keys with the values that replace the file's, e.g. ``{"training.epochs": 5}``.

    Raises
    ------
    ConfigError
        If the file is missing or not TOML, a key is unknown, or a value is impossible.
    """
    path = find_recipe(path)
    values = _read(path)
    for key, value in (changes or {}).items():
        _change(values, key, value)
    try:
        return build(Recipe, values, "recipe")
    except (ConfigError, DataError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe as plain values, with the recipes that it names in place of their paths."""
    values = read_toml(path)
    values.setdefault("name", path.stem)
    below = (*below, path.resolve())
    for key in (*REFERENCES, "extends"):
        if key in values:
            values[key] = _named(values[key], key, path, below)
    members = _members(values)
    if members is not None:
        values["ensemble"]["members"] = [
            _named(member, "ensemble.members", path, below) for member in members
        ]
    if base := values.pop("extends", None):
        own = ("name", "description")
        values = merge(Recipe, {k: v for k, v in base.items() if k not in own}, values)
    if team := values.get("ensemble"):
        if beside := sorted(set(values) - {"name", "description", "ensemble"}):
            raise ConfigError(
                f"{path}: [ensemble] trains nothing of its own: put {beside[0]} into its members"
            )
        if not isinstance(team, dict) or not isinstance(team.get("members"), list):
            raise ConfigError(f"{path}: ensemble.members must be a list of recipes")
    return values


def _members(values: Mapping[str, Any]) -> list[Any] | None:
    team = values.get("ensemble")
    members = team.get("members") if isinstance(team, dict) else None
    return members if isinstance(members, list) else None


def _named(other: Any, key: str, path: Path, below: tuple[Path, ...]) -> dict[str, Any] | None:
    """The values of a recipe that another one names; None for an empty name."""
    if not isinstance(other, str):
        raise ConfigError(f"{path}: {key} must be the name or path of a recipe, got {other!r}")
    if not other:
        return None
    try:
        found = find_recipe(other, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {key}: {error}") from None
    if found.resolve() in below:
        raise ConfigError(f"{path}: {key} leads back to {other}")
    return _read(found, below)


def _change(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in the plain values of a recipe.

    Raises
    ------
    ConfigError
        If no recipe has that key, or the recipe has no such table of another one.
    """
    first, _, _ = key.partition(".")
    if key in REFERENCES:
        value = _named(value, key, Path("."), ())
    elif key == "ensemble.members" and isinstance(value, list):
        value = [_named(one, key, Path("."), ()) for one in value]
    elif first in REFERENCES and not values.get(first):
        raise ConfigError(f"{key} cannot be set: the recipe has no {first}")
    elif values.get("ensemble") and first not in ("name", "description", "ensemble"):
        raise ConfigError(f"{key} cannot be set: an ensemble trains nothing of its own")
    _refuse_unknown(key)
    put(values, key, value)


def _refuse_unknown(key: str) -> None:
    table: type[Any] | None = Recipe
    *tables, last = key.split(".")
    for name in (*tables, last):
        if table is None:
            break
        known = {one.name: one for one in fields(table)}
        if name not in known:
            every = list(_keys(Recipe))
            alike = [one for one in every if one.rpartition(".")[2] == last]
            hint = f"; did you mean {alike[0]}?" if alike else did_you_mean(key, every)
            raise ConfigError(f"unknown key {key}: a recipe has none of that name{hint}")
        inner = inner_dataclass(table, name)
        if inner is None and name != last and not _has_free_keys(table, name):
            raise ConfigError(f"unknown key {key}: {name} is one value and has no keys of its own")
        table = inner


def _has_free_keys(table: type[Any], name: str) -> bool:
    return get_origin(get_type_hints(table)[name]) is dict


def _keys(table: type[Any], where: str = "") -> Iterator[str]:
    """Dotted keys of a dataclass; of the recipes in a recipe only the names."""
    for one in fields(table):
        inner = inner_dataclass(table, one.name)
        if inner and inner is not Recipe:
            yield from _keys(inner, f"{where}{one.name}.")
        else:
            yield f"{where}{one.name}"


def read_changes(texts: Iterable[str]) -> dict[str, Any]:
    """Dotted keys and values from ``KEY=VALUE``, the value as TOML; a bare word is a string.

    >>> read_changes(["training.epochs=5", "training.keep=last"])
    {'training.epochs': 5, 'training.keep': 'last'}

    Raises
    ------
    ConfigError
        If a text has no ``=``.
    """
    changes = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found or not key.strip():
            raise ConfigError(f"expected KEY=VALUE, e.g. training.epochs=5, got {text!r}")
        changes[key.strip()] = toml_value(value.strip())
    return changes


def write_recipe(recipe: Recipe, path: Path, stated: Mapping[str, Any] | None = None) -> None:
    """Write a recipe that :func:`load_recipe` reads as an equal one.

    Parameters
    ----------
    recipe : Recipe
    path : Path
        ``NAME.toml``. Recipes that the given one names are written beside it:
        ``NAME-pretrain.toml``, ``NAME-teacher.toml``, ``NAME-member-1.toml``.
    stated : mapping of str to Any, optional
        Dotted keys with their values, which are written even where they are the defaults.
    """
    values = _differing(recipe)
    for key, value in (stated or {}).items():
        put(values, key, value)

    def beside(other: Recipe, what: str) -> str:
        place = path.with_name(f"{path.stem}-{what}.toml")
        write_recipe(other, place)
        return place.name

    if recipe.pretrain:
        values["pretrain"] = beside(recipe.pretrain, "pretrain")
    if recipe.taught_by:
        values["taught_by"] = beside(recipe.taught_by, "teacher")
    if recipe.ensemble:
        members = enumerate(recipe.ensemble.members, start=1)
        values["ensemble"]["members"] = [beside(one, f"member-{n}") for n, one in members]
    with atomic_path(path) as partial:
        partial.write_text(toml_text(values), encoding="utf-8")


def toml_text(values: Mapping[str, Any], table: str = "") -> str:
    """Nested dictionaries of what JSON can hold, without null, as TOML."""
    inner = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lines = [f"{_key(k)} = {_value(v)}\n" for k, v in values.items() if k not in inner]
    # The header of a table that holds nothing but tables says nothing.
    head = f"[{table}]\n" if table and (lines or not inner) else ""
    parts = [head + "".join(lines)] if head or lines else []
    parts += [toml_text(v, f"{table}.{_key(k)}" if table else _key(k)) for k, v in inner.items()]
    return "\n".join(parts)


def _differing(config: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from its defaults, without recipes to start from."""
    found: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value == default or isinstance(value, Recipe):
            continue
        if is_dataclass(value):
            found[field.name] = _differing(value)
        else:
            found[field.name] = to_dict(config)[field.name]
    return found


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """A value on one line: tables within lists are inline ones."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)
