"""Frozen dataclasses from TOML, with every unknown key and wrong type refused by name."""

from __future__ import annotations

import dataclasses
import difflib
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from affekt.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # the standard library has it from 3.11 on
    import tomli as tomllib

T = TypeVar("T")


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        If the file is missing or is not TOML.
    """
    try:
        with open(path, "rb") as file:
            values: dict[str, Any] = tomllib.load(file)
            return values
    except FileNotFoundError:
        raise ConfigError(f"file not found: {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Make a dataclass from a mapping.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are bool, int, float, str, tuples of these, dictionaries,
        or dataclasses.
    values : Mapping
        As read from TOML or JSON.
    where : str
        Name of the place for messages, e.g. ``"training"``.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, a type does not fit, or the dataclass refuses a value.
    """
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    names = [field.name for field in fields]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ConfigError(
            f"unknown key {where}.{unknown[0]}: expected one of {', '.join(sorted(names))}"
            + did_you_mean(unknown[0], names)
        )
    missing = [field.name for field in fields if field.name not in values and _required(field)]
    if missing:
        raise ConfigError(f"missing key {where}.{missing[0]}")
    return cls(
        **{name: _convert(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    )


def merge(cls: type[Any], base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others, table by table, as :func:`build` takes them.

    The tables of nested dataclasses are merged key by key. Everything else (numbers, lists,
    dictionaries with free keys, and values of ``cls`` itself) is replaced as a whole.
    """
    merged = dict(base)
    for name, value in over.items():
        inner = inner_dataclass(cls, name)
        below = merged.get(name)
        if inner and inner is not cls and isinstance(below, Mapping) and isinstance(value, Mapping):
            value = merge(inner, below, value)
        merged[name] = value
    return merged


def inner_dataclass(cls: type[Any], name: str) -> type[Any] | None:
    """The dataclass that a field holds, optional or not; None if it holds something else."""
    hint = typing.get_type_hints(cls).get(name)
    for option in (hint, *typing.get_args(hint)):
        if dataclasses.is_dataclass(option) and isinstance(option, type):
            return None if typing.get_origin(hint) is tuple else option
    return None


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key in nested dictionaries, which are made where they lack."""
    *tables, name = key.split(".")
    for table in tables:
        inner = values.get(table)
        values[table] = inner if isinstance(inner, dict) else {}
        values = values[table]
    values[name] = value


def toml_value(text: str) -> Any:
    """A value as TOML writes it: ``5``, ``1e-3``, ``true``, ``[1, 2]``; else the text itself."""
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return values["value"] if len(values) == 1 else text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message that names the nearest known word; empty if none is near."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain dictionaries and lists, ready for JSON."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(config))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return None if value is None else _convert(options[0], value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} must be a list, got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table, got {value!r}")
        return build(hint, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table, got {value!r}")
        inner = typing.get_args(hint)[1]
        return {key: _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if hint is Any:
        return value
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is an int to Python, but "epochs = true" is a mistake to a reader.
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where} must be {hint.__name__}, got {value!r}")
    return value
