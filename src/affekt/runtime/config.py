"""The facts of a model, as its ``config.json`` tells them.

The file is the contract between training and use. Unknown keys are allowed, so that a newer
affekt may say more within the same format version; missing and impossible ones are refused.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affekt.errors import ModelError
from affekt.files import table_cell

FORMAT_VERSION = 1
"""The newest model format that this version reads."""


@dataclass(frozen=True)
class ModelConfig:
    """Configuration and metadata of a model.

    Attributes
    ----------
    name : str
        Short name of the model.
    labels : tuple of str
        Emotions in the order of the outputs.
    sample_rate : int
        Rate of the waveform that the graph takes, in Hz.
    minimum_duration : float
        Shortest recording that the model accepts, in seconds.
    receptive_field : float or None
        How much sound one frame of the encoder sees, in seconds.
    streamable : bool
        Whether the encoder gives the same answer chunk by chunk.
    streaming : mapping
        How ``encoder.onnx`` streams: ``step`` (samples), ``stride`` (frames of the frontend in a
        step), ``delay`` (steps of look-ahead), ``state_size``; empty where the model does not.
    threshold : float
        Confidence below which an answer about a whole clip is better withheld; 0 where it was not
        measured.
    window_threshold : float
        The same for the windows of time lines and streams; that of clips where it was not measured.
    least_probability : float or None
        Of the emotions in a prediction set; None where it was not measured.
    embedding_size : int or None
        Width of the pooled embedding.
    parameters : int or None
        Number of trained parameters.
    licence : str
        Licence of the weights (SPDX where there is one).
    training_data, metrics : tuple of mapping
        Corpora with their licences and sizes; figures with their protocol.
    intended_use : str
        What the model is for, and what it is not for; empty where the config does not say.
    raw : mapping
        The whole file, with the keys that this version does not know.
    """

    name: str
    labels: tuple[str, ...]
    sample_rate: int
    minimum_duration: float = 0.1
    receptive_field: float | None = None
    streamable: bool = False
    streaming: Mapping[str, Any] = field(default_factory=dict)
    threshold: float = 0.0
    window_threshold: float = 0.0
    least_probability: float | None = None
    embedding_size: int | None = None
    parameters: int | None = None
    licence: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    training_data: tuple[Mapping[str, Any], ...] = ()
    metrics: tuple[Mapping[str, Any], ...] = ()
    intended_use: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def prediction_set(self, probabilities: Sequence[float]) -> tuple[str, ...] | None:
        """Return the emotions that are probable enough, and the first in any case.

        The most probable first; None where it was not measured what is enough.
        """
        if self.least_probability is None:
            return None
        ranked = sorted(zip(probabilities, self.labels, strict=True), key=lambda one: -one[0])
        (_, first), *others = ranked
        return first, *(label for value, label in others if value >= self.least_probability)


def parse_config(text: str, where: str) -> ModelConfig:
    """Read a model's configuration from JSON text.

    Parameters
    ----------
    text : str
        What ``config.json`` holds.
    where : str
        Named in errors: the file that the text came from.

    Raises
    ------
    ModelError
        If the text is not JSON, lacks a key, holds an impossible value, or is of a newer format.
    """
    try:
        raw = json.loads(text, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ModelError(
            f"{where} is not JSON (line {error.lineno}: {error.msg}): fetch the model again"
        ) from None
    except (RecursionError, ValueError, OverflowError) as error:
        # Nested too deeply, a number beyond all floats, an integer of thousands of digits.
        raise ModelError(
            f"{where} holds what no configuration does ({error}): fetch the model again"
        ) from None
    if not isinstance(raw, dict):
        raise ModelError(f"{where} holds no JSON object: fetch the model again")
    reader = _Reader(raw, where)
    version = reader.number("format_version", minimum=1)
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{where} is of format version {version:g}, this affekt reads up to "
            f"{FORMAT_VERSION}: pip install --upgrade affekt"
        )
    return ModelConfig(
        name=str(raw.get("name") or "unnamed"),
        labels=reader.labels(),
        sample_rate=int(reader.number("sample_rate", minimum=1)),
        minimum_duration=reader.number("minimum_duration", default=0.1),
        receptive_field=reader.optional_number("receptive_field"),
        streamable=raw.get("streamable") is True,
        streaming=reader.mapping("streaming"),
        threshold=reader.share("threshold") or 0.0,
        window_threshold=reader.share("window_threshold", reader.share("threshold")) or 0.0,
        least_probability=reader.share("least_probability"),
        embedding_size=reader.optional_integer("embedding_size"),
        parameters=reader.optional_integer("parameters"),
        licence=str(raw.get("licence") or ""),
        architecture=reader.mapping("architecture"),
        training_data=reader.mappings("training_data"),
        metrics=reader.mappings("metrics"),
        intended_use=str(raw.get("intended_use") or ""),
        raw=raw,
    )


_LARGEST = 1e15  # far more than anything that is counted, and exact as a float
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxdict = _SHORT.maxlist = 12


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


class _Reader:
    """Takes typed values out of a JSON object; errors name the file and the key."""

    def __init__(self, raw: Mapping[str, Any], where: str) -> None:
        self.raw = raw
        self.where = where

    def number(self, key: str, *, default: float | None = None, minimum: float = 0.0) -> float:
        value = self.raw.get(key, default)
        if value is None:
            raise ModelError(f"{self.where} lacks {key!r}: it is not a model of affekt, or damaged")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(key, value, f"a number from {minimum:g} up")
        if not minimum <= value <= _LARGEST:
            raise self._wrong(key, value, f"a number from {minimum:g} up")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        return None if self.raw.get(key) is None else self.number(key)

    def optional_integer(self, key: str) -> int | None:
        value = self.optional_number(key)
        return None if value is None else int(value)

    def labels(self) -> tuple[str, ...]:
        table = self.raw.get("id2label")
        if table is None:
            raise ModelError(f"{self.where} lacks 'id2label': it is not a model of affekt")
        expected = "one distinct name for each class, numbered from 0"
        if not isinstance(table, dict) or not table:
            raise self._wrong("id2label", table, expected)
        names = [table.get(str(index)) for index in range(len(table))]
        if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(
            names
        ):
            raise self._wrong("id2label", table, expected)
        if any(table_cell(str(name)) != name for name in names):
            raise self._wrong("id2label", table, "names without control characters and formulas")
        return tuple(map(str, names))

    def share(self, key: str, default: float | None = None) -> float | None:
        """Of the calibration."""
        value = self.mapping("calibration").get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise self._wrong(f"calibration.{key}", value, "a number from 0 to 1")
        return float(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.raw.get(key) or {}
        if not isinstance(value, dict):
            raise self._wrong(key, value, "a JSON object")
        return value

    def mappings(self, key: str) -> tuple[Mapping[str, Any], ...]:
        value = self.raw.get(key) or []
        if not isinstance(value, Sequence) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, value, "a list of JSON objects")
        return tuple(value)

    def _wrong(self, key: str, value: object, expected: str) -> ModelError:
        return ModelError(f"{self.where}: {key!r} is {_SHORT.repr(value)}, expected {expected}")
