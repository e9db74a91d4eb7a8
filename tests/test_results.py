"""One vocabulary: every record goes to JSON and back, as its schema says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import affekt
from affekt.errors import DataError
from affekt.records import Record, fields_of, json_schema
from affekt.results import (
    DIMENSIONS,
    NUMBERS,
    OUTPUTS,
    Answer,
    AudioQuality,
    Measurement,
    Outcome,
    Prediction,
    Segment,
    Track,
    as_track,
    mean_numbers,
)
from affekt.web import fields

jsonschema_rs = pytest.importorskip("jsonschema_rs")

QUALITY = AudioQuality(
    2.5, -23.45, -1.5, 0.002, False, snr_db=9.88, bandwidth_hz=3400.0, damaged_packets=2
)
SCORES = {"happy": 0.75, "sad": 0.25}
PREDICTION = Prediction(
    "happy", 0.75, SCORES, intensity=0.5, ood_score=1.25, warnings=("a",), duration=2.5,
    quality=QUALITY,
)  # fmt: skip
SEGMENT = Segment(0.5, 2.0, "happy", 0.75, SCORES, intensity=0.25)
RECORDS: list[Record] = [
    QUALITY,
    PREDICTION,
    Prediction("sad", 1.0, {"sad": 1.0}, duration=0.5),
    Measurement(0.0, 0.5, "sad", 0.5, SCORES, speech=0.5, provisional=True),
    SEGMENT,
    Track("a.wav", (SEGMENT, SEGMENT), 2.5, "cut short", QUALITY, ("b", "c"), 0.5),
    Track("b.wav"),
    Outcome("a.wav", PREDICTION),
    Outcome("bad.wav", error="bad.wav: it is empty"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_goes_to_json_and_back(record: Record) -> None:
    values = json.loads(json.dumps(record.to_dict(), allow_nan=False))
    assert type(record).from_dict(values) == record
    assert type(record).from_dict({**values, "of a later version": 1}) == record
    jsonschema_rs.validate(json_schema(type(record)), values)
    assert set(values) <= set(json_schema(type(record))["properties"])


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_schema_refuses_what_a_record_refuses(record: Record) -> None:
    schema = json_schema(type(record))
    for name in schema["required"]:
        rest = {key: value for key, value in record.to_dict().items() if key != name}
        with pytest.raises(jsonschema_rs.ValidationError, match=name):
            jsonschema_rs.validate(schema, rest)
    for name, wrong in (("label", 1), ("scores", {"sad": "much"}), ("duration", "long")):
        if name in record.to_dict():
            values = {**record.to_dict(), name: wrong}
            with pytest.raises(jsonschema_rs.ValidationError):
                jsonschema_rs.validate(schema, values)
            with pytest.raises(DataError, match=f"{name}: .* is not of the type"):
                type(record).from_dict(values)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(DataError, match="Segment: the field 'end' is missing"):
        Segment.from_dict({"start": 0.0})


def test_numbers_are_rounded_and_what_is_unknown_is_left_out() -> None:
    third = replace(SEGMENT, end=4 / 3, ood_score=2 / 3, intensity=None)
    assert third.to_dict() == {
        "start": 0.5,
        "end": 1.333333,
        "label": "happy",
        "confidence": 0.75,
        "scores": SCORES,
        "valence": 0.45,  # 0.75 * 0.81 - 0.25 * 0.63
        "arousal": 0.315,
        "dominance": 0.2625,
        "dimensions": "derived",
        "ood_score": 0.6667,
        "warnings": [],
    }


def test_every_field_is_documented() -> None:
    for record in (AudioQuality, Prediction, Measurement, Segment, Track, Outcome):
        for one in fields_of(record):
            assert one.info.text.endswith(".")
            assert f"    {one.name} : " in str(record.__doc__)


def test_means_leave_out_what_is_unknown() -> None:
    parts = [replace(SEGMENT, intensity=value) for value in (1.0, None, 0.25)]
    means = mean_numbers(parts, [1.0, 7.0, 2.0])
    assert means == {**dict.fromkeys(NUMBERS), "intensity": 0.5}


def test_dimensions_follow_the_scores_until_a_model_says_them() -> None:
    sadder = replace(SEGMENT, scores={"happy": 0.0, "sad": 1.0})
    assert [getattr(sadder, name) for name in DIMENSIONS] == [-0.63, -0.27, -0.33]
    assert sadder.dimensions == "derived"
    trained = replace(SEGMENT, arousal=0.9, dimensions="")
    assert (trained.valence, trained.arousal, trained.dimensions) == (0.45, 0.9, "trained")
    said = Segment(0.0, 1.0, "happy", 0.75, SCORES, arousal=0.9)
    assert (said.valence, said.arousal, said.dimensions) == (None, 0.9, "trained")
    assert replace(said, scores={"sad": 1.0}).arousal == 0.9
    assert said.extras() == {"arousal": "+0.90"}
    assert SEGMENT.extras() == {"intensity": "25%"}  # what is derived adds nothing for people
    assert mean_numbers([said, SEGMENT], [1.0, 1.0])["arousal"] == 0.9
    unknown = Segment(0.0, 1.0, "tired", 0.75, {"tired": 0.75, "sad": 0.25})
    assert (unknown.valence, unknown.dimensions) == (None, "")
    assert "dimensions" not in unknown.to_dict()


def test_a_track_of_a_prediction_keeps_what_the_answer_says() -> None:
    (segment,) = as_track(Outcome("a.wav", PREDICTION)).segments
    for name in ("label", "scores", *OUTPUTS):
        assert getattr(segment, name) == getattr(PREDICTION, name)


def test_the_embedding_of_a_model_is_not_part_of_the_json() -> None:
    tone = np.sin(np.arange(16000, dtype=np.float32) / 30)
    answer = affekt.load_model(threads=1).predict((tone, 16000))
    again = Prediction.from_dict(answer.to_dict())
    assert len(answer.embedding) > len(again.embedding) == 0
    assert again.to_dict() == answer.to_dict()


@pytest.mark.parametrize(
    ("file", "text"), [("fields.js", fields.script), ("fields.d.ts", fields.types)]
)
def test_the_browsers_files_are_those_of_the_records(file: str, text: Any) -> None:
    """Else: ``python -m affekt.web.fields``."""
    assert (fields.STATIC / file).read_text(encoding="utf-8") == text()


def test_outputs_of_graphs_are_fields_of_answers() -> None:
    assert {one.name for one in fields_of(Answer)} >= set(OUTPUTS)
