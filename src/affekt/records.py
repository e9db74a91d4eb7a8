"""Records: dataclasses whose fields say what they are, and what derives from that.

A field is annotated with an :class:`Info`: text, unit, digits, range. JSON, its schema and the
docstring follow from it. `affekt.results` is made of such records.

>>> from affekt.results import Segment
>>> [field.name for field in fields_of(Segment)][:3]
['start', 'end', 'label']
>>> json_schema(Segment)["properties"]["end"]["minimum"]
0
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

import numpy as np

from affekt.errors import DataError

R = TypeVar("R", bound="Record")


@dataclass(frozen=True)
class Info:
    """What a field of a record is.

    Parameters
    ----------
    text : str
        What it says.
    unit : str
        Of a number; empty where it has none.
    digits : int
        Decimal places of a number in JSON and in tables.
    minimum, maximum : float, optional
        Range of a number.
    shown : str
        How people read a number, as in a format string, or what joins several words; empty where
        no text shows it.
    output : bool
        Whether it is the output of the same name of a model's graph, one number for each span.
    inline : bool
        Whether the fields of the record that it holds stand among those of its owner.
    """

    text: str
    unit: str = ""
    digits: int = 6
    minimum: float | None = None
    maximum: float | None = None
    shown: str = ""
    output: bool = False
    inline: bool = False


@dataclass(frozen=True)
class Field:
    """A field of a record, as the tables of fields hold it.

    Attributes
    ----------
    name : str
    kind : type
        Without None: ``float``, ``int``, ``bool``, ``str``, a mapping, a tuple or a record.
    optional : bool
        Whether it may be None.
    required : bool
        Whether a record cannot be made without it.
    info : Info
    """

    name: str
    kind: Any
    optional: bool
    required: bool
    info: Info


class Record:
    """What the records share: JSON, and docstrings that list the fields."""

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, rounded; what is not known is left out."""
        values: dict[str, Any] = {}
        for one in fields_of(type(self)):
            value = getattr(self, one.name)
            if value is None or (isinstance(value, str) and not value):
                continue
            if one.info.inline:
                values |= value.to_dict()
            else:
                values[one.name] = _plain(value, one.info.digits)
        return values

    @classmethod
    def from_dict(cls: type[R], values: Mapping[str, Any]) -> R:
        """Make a record from what `to_dict` gave; unknown keys are passed over.

        Raises
        ------
        DataError
            If a field is missing, or is of another type.
        """
        found: dict[str, Any] = {}
        for one in fields_of(cls):
            if one.info.inline:
                if all(inner.name in values for inner in fields_of(one.kind) if inner.required):
                    found[one.name] = one.kind.from_dict(values)
            elif values.get(one.name) is not None:
                found[one.name] = _read(one.kind, values[one.name], f"{cls.__name__}.{one.name}")
            elif one.required:
                raise DataError(f"{cls.__name__}: the field {one.name!r} is missing")
        return cls(**found)


def fields_of(cls: type[Any]) -> tuple[Field, ...]:
    """Return the table of fields of a record, in the order of its JSON.

    Fields without an :class:`Info`, such as arrays, are not part of it.
    """
    if cls in _TABLES:
        return _TABLES[cls]
    hints = typing.get_type_hints(cls, include_extras=True)
    table = []
    for one in fields(cls):
        hint = hints[one.name]
        info = next((each for each in getattr(hint, "__metadata__", ()) if _is_info(each)), None)
        if info is None:
            continue
        kind = typing.get_args(hint)[0]
        parts = [part for part in typing.get_args(kind) if part is not type(None)]
        optional = typing.get_origin(kind) in (typing.Union, types.UnionType)
        table.append(
            Field(
                name=one.name,
                kind=parts[0] if optional else kind,
                optional=optional,
                required=one.default is MISSING and one.default_factory is MISSING,
                info=info,
            )
        )
    _TABLES[cls] = tuple(table)
    return _TABLES[cls]


_TABLES: dict[type[Any], tuple[Field, ...]] = {}


def _is_info(value: object) -> bool:
    return isinstance(value, Info)


def documented(cls: type[R]) -> type[R]:
    """Add the table of fields to the docstring of a record."""
    lines = [(cls.__doc__ or "").rstrip(), "", "    Attributes", "    ----------"]
    for one in fields_of(cls):
        name = getattr(one.kind, "__name__", "") if isinstance(one.kind, type) else ""
        kind = name or str(one.kind).replace("affekt.results.", "")
        unit = f" In {one.info.unit}." if one.info.unit else ""
        lines.append(f"    {one.name} : {kind}{' or None' if one.optional else ''}")
        lines.append(f"        {one.info.text}{unit}")
    cls.__doc__ = "\n".join([*lines, "    "])
    return cls


def json_schema(cls: type[Record], *, refs: str = "") -> dict[str, Any]:
    """Return the JSON schema of what `Record.to_dict` gives.

    Parameters
    ----------
    cls : type
        One of the records.
    refs : str
        Where the schemas of records inside of it stand, such as ``#/components/schemas/``; empty
        to write them out in place.
    """
    properties: dict[str, Any] = {}
    required: list[str] = []
    for one in fields_of(cls):
        if one.info.inline:
            properties |= json_schema(one.kind, refs=refs)["properties"]
            continue
        schema = _schema_of(one.kind, one.info, refs)
        unit = f" In {one.info.unit}." if one.info.unit else ""
        properties[one.name] = {**schema, "description": f"{one.info.text}{unit}"}
        if not one.optional and (one.required or one.kind is not str):
            required.append(one.name)  # an empty text with a default is left out
    summary = (cls.__doc__ or "").partition("\n")[0]
    return {
        "title": cls.__name__,
        "description": summary,
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _schema_of(kind: Any, info: Info, refs: str) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, Record):
        return {"$ref": f"{refs}{kind.__name__}"} if refs else json_schema(kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return {"type": "array", "items": _schema_of(inner[0], Info(""), refs)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(inner[1], info, refs)}
    names = {float: "number", int: "integer", bool: "boolean", str: "string"}
    limits = {"minimum": info.minimum, "maximum": info.maximum}
    return {
        "type": names[kind],
        **{name: limit for name, limit in limits.items() if limit is not None},
    }


def _plain(value: Any, digits: int) -> Any:
    """Return a value of a field as JSON has it."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: _plain(inner, digits) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner, digits) for inner in value]
    return round(float(value), digits) if isinstance(value, (float, np.floating)) else value


def _read(kind: Any, value: Any, where: str) -> Any:
    """Return a value of JSON as the field holds it."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_read(inner[0], each, where) for each in value)
    if origin is dict and isinstance(value, Mapping):
        return {str(name): _read(inner[1], each, where) for name, each in value.items()}
    if origin is None and issubclass(kind, Record) and isinstance(value, Mapping):
        return kind.from_dict(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(value)
    if origin is None and isinstance(value, kind):
        return value
    raise DataError(f"{where}: {value!r} is not of the type {getattr(kind, '__name__', kind)}")
