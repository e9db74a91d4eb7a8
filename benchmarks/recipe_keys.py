"""The shipped recipes and every key of a recipe, as two tables of docs/recipes.md.

    python benchmarks/recipe_keys.py

The keys, their defaults and their meaning are those of the dataclasses; nothing is measured.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from _common import Report

NAMES = Report("recipe_keys", "docs/recipes.md", "names")
KEYS = Report("recipe_keys", "docs/recipes.md", "keys")


def names_table() -> str:
    """Return the shipped recipes with their descriptions as Markdown."""
    from affekt.config import read_toml
    from affekt.recipe_files import recipe_names, shipped_folder

    lines = ["| name | extends | what it trains |", "|---|---|---|"]
    for name in recipe_names():
        values = read_toml(shipped_folder() / f"{name}.toml")
        base = f"`{values['extends']}`" if "extends" in values else ""
        lines.append(f"| [`{name}`](../recipes/{name}.toml) | {base} | {values['description']} |")
    return "\n".join(lines)


def keys_tables() -> str:
    """Return every key of a recipe, table by table, as Markdown."""
    from affekt.models.registry import ARCHITECTURES
    from affekt.training.recipe.classical import OPTIONS
    from affekt.training.recipe.schema import Recipe

    groups: dict[str, list[tuple[list[str], list[str], str]]] = {}
    for key, default, meaning in keys_of(Recipe):
        rows = groups.setdefault(key.partition(".")[0] if "." in key else "", [])
        shown = "the file's" if key == "name" else f"`{toml(default)}`"
        if rows and rows[-1][2] == meaning:  # such as the two ends of a range
            rows[-1][0].append(f"`.{key.rpartition('.')[2]}`")
            rows[-1][1].append(shown)
        else:
            rows.append(([f"`{key}`"], [shown], meaning))
    parts = []
    for group, rows in groups.items():
        head = f"### `[{group}]`" if group else "### At the top of the file"
        lines = [f"| {', '.join(k)} | {', '.join(d)} | {meaning} |" for k, d, meaning in rows]
        parts.append("\n".join([head, "", "| key | default | meaning |", "|---|---|---|", *lines]))
    own = {n: a for n, a in ARCHITECTURES.items() if a.make.__module__.startswith("affekt.")}
    chosen = {f"`architecture = {toml(name)}`": one.options for name, one in own.items()}
    classical = {f"`classical.model = {toml(name)}`": one for name, one in OPTIONS.items()}
    lines = ["### Options", "", "| of | options and their defaults |", "|---|---|"]
    for name, options in {**chosen, **classical}.items():
        lines.append(f"| {name} | {', '.join(options_of(options))} |")
    return "\n\n".join([*parts, "\n".join(lines)])


def options_of(table: type[Any]) -> Iterator[str]:
    """Yield the options of an architecture or a classifier as TOML."""
    for field in dataclasses.fields(table):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        missing = default is dataclasses.MISSING or default is None
        yield f"`{field.name}`" if missing else f"`{field.name} = {toml(default)}`"


def keys_of(table: type[Any], where: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield dotted key, default and meaning of every value that a recipe may set."""
    from affekt.training.recipe.schema import Recipe

    hints = typing.get_type_hints(table)
    meanings = parameters(table)
    for field in dataclasses.fields(table):
        hint = hints[field.name]
        inner = [one for one in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(one)]
        if inner and inner[0] is not Recipe:
            yield from keys_of(typing.cast("type[Any]", inner[0]), f"{where}{field.name}.")
            continue
        if inner:  # other recipes, which a file names
            default: Any = [] if typing.get_origin(hint) is tuple else ""
        elif field.default is not dataclasses.MISSING:
            default = field.default
        else:
            assert field.default_factory is not dataclasses.MISSING
            default = field.default_factory()
        yield f"{where}{field.name}", default, meanings[field.name]


def parameters(table: type[Any]) -> Mapping[str, str]:
    """Return the meaning of each field, from the numpy-style docstring of its dataclass."""
    text = inspect.cleandoc(table.__doc__ or "")
    section = text.partition("Parameters\n----------\n")[2]
    found: dict[str, str] = {}
    for match in re.finditer(r"^(\w[^\n]*?)(?: : [^\n]*)?\n((?:    [^\n]*\n?)*)", section, re.M):
        words = " ".join(match[2].split())
        words = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", words).replace("``", "`").replace("|", "\\|")
        found.update(dict.fromkeys(re.split(r", ", match[1]), words))
    return found


def toml(value: Any) -> str:
    """Return a default as TOML writes it."""
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0") if 0 < abs(value) < 1e-4 else repr(value)
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write both tables into the page."""
    NAMES.show(names_table())
    KEYS.show(keys_tables())


if __name__ == "__main__":
    main()
