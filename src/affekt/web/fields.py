"""The fields of results for the browser: ``static/fields.js`` and ``static/fields.d.ts``.

``python -m affekt.web.fields`` writes both anew; a test holds them to `affekt.results`.
"""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

from affekt.formats.rows import EXTRAS, QUALITY_COLUMNS
from affekt.labels import CIRCUMPLEX
from affekt.records import Field, Record, fields_of
from affekt.results import DIMENSIONS, Answer, AudioQuality, Measurement, Prediction, Segment

STATIC = Path(__file__).parent / "static"
_HEAD = "// Written by `python -m affekt.web.fields` from affekt.results: do not change it here.\n"
_RECORDS: tuple[type[Record], ...] = (AudioQuality, Prediction, Measurement, Segment)
_NAMES: dict[type[Record], str] = {AudioQuality: "Quality"}


def script() -> str:
    """Return ``fields.js``: what the module and the page must know of the fields."""
    extras = {
        one.name: {"digits": one.info.digits, "shown": one.info.shown}
        for one in fields_of(Answer)
        if one.name in EXTRAS
    }
    constants: dict[str, tuple[str, Any]] = {
        "OUTPUTS": (
            "outputs of a graph that are one number for each window",
            [one.name for one in fields_of(Answer) if one.info.output],
        ),
        "EXTRAS": ("what an answer may say beside the emotion", extras),
        "DIMENSIONS": ("fields of an answer from -1 to 1", DIMENSIONS),
        "NORMS": (
            "the same of each emotion, from the literature named in affekt.labels",
            {**CIRCUMPLEX},
        ),
        "MEASURES": (
            "decimal places of what tables tell of a recording as input",
            {
                **{one.name: one.info.digits for one in _chosen(AudioQuality, QUALITY_COLUMNS)},
                **{one.name: one.info.digits for one in _chosen(Answer, ("ood_score",))},
            },
        ),
    }
    lines = [
        f"/** {text[0].upper()}{text[1:]}. */\nexport const {name} = {json.dumps(value)};\n"
        for name, (text, value) in constants.items()
    ]
    return "\n".join([_HEAD, *lines])


def types() -> str:
    """Return ``fields.d.ts``: the records as TypeScript, as the module and the server give them."""
    parts = [_HEAD]
    for record in _RECORDS:
        summary = (record.__doc__ or "").partition("\n")[0]
        lines = [f"/** {summary} */", f"export interface {_name(record)} {{"]
        for one in fields_of(record):
            unit = f" In {one.info.unit}." if one.info.unit else ""
            lines.append(f"  /** {one.info.text}{unit} */")
            lines.append(f"  {one.name}{'?' if one.optional else ''}: {_type(one.kind)};")
        parts.append("\n".join([*lines, "}\n"]))
    return "\n".join(parts)


def _chosen(record: type[Record], names: tuple[str, ...]) -> list[Field]:
    return [one for one in fields_of(record) if one.name in names]


def _name(record: type[Record]) -> str:
    return _NAMES.get(record, record.__name__)


def _type(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return f"{_type(inner[0])}[]"
    if origin is dict:
        return f"Record<string, {_type(inner[1])}>"
    if issubclass(kind, Record):
        return _name(kind)
    return {float: "number", int: "number", bool: "boolean", str: "string"}[kind]


if __name__ == "__main__":
    (STATIC / "fields.js").write_text(script(), encoding="utf-8")
    (STATIC / "fields.d.ts").write_text(types(), encoding="utf-8")
