"""A recipe back into TOML: what differs from the defaults, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from affekt.config import to_dict
from affekt.files import atomic_path
from affekt.training.recipe.schema import Recipe

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


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


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key in nested dictionaries, which are made where they lack."""
    *tables, name = key.split(".")
    for table in tables:
        inner = values.get(table)
        values[table] = inner if isinstance(inner, dict) else {}
        values = values[table]
    values[name] = value


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
