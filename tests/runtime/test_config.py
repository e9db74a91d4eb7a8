from __future__ import annotations

import json
from typing import Any

import pytest
from tiny_model import tiny_config

from affekt.errors import ModelError
from affekt.runtime.config import FORMAT_VERSION, parse_config


def parse(**changes: Any) -> object:
    return parse_config(json.dumps(tiny_config(**changes)), "here/config.json")


def test_facts_are_read() -> None:
    config = parse_config(json.dumps(tiny_config(novelty=1)), "config.json")
    assert config.name == "tiny"
    assert config.labels == ("angry", "disgust", "fearful", "happy", "neutral", "sad")
    assert config.sample_rate == 16000
    assert config.minimum_duration == 0.1
    assert config.receptive_field == 0.025
    assert config.parameters == 18
    assert config.training_data[0]["corpus"] == "noise"
    assert config.raw["novelty"] == 1  # a newer affekt may say more


def test_labels_are_ordered_by_number_not_by_place() -> None:
    table = {str(index): f"emotion{index}" for index in reversed(range(11))}
    config = parse_config(json.dumps(tiny_config(id2label=table)), "config.json")
    assert config.labels == tuple(f"emotion{index}" for index in range(11))


@pytest.mark.parametrize("key", ["format_version", "id2label", "sample_rate"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(ModelError, match=f"here/config.json lacks '{key}'"):
        parse(**{key: None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate": "16k"}, "'sample_rate' is '16k', expected a number"),
        ({"sample_rate": True}, "'sample_rate' is True"),
        ({"minimum_duration": -1}, "'minimum_duration' is -1"),
        ({"id2label": ["angry"]}, "expected one distinct name for each class"),
        ({"id2label": {}}, "expected one distinct name for each class"),
        ({"id2label": {"0": "sad", "2": "happy"}}, "numbered from 0"),
        ({"id2label": {"0": "sad", "1": "sad"}}, "distinct"),
        ({"id2label": {"0": "sad", "1": 5}}, "one distinct name"),
        ({"metrics": "good"}, "'metrics' is 'good', expected a list of JSON objects"),
        ({"architecture": [1]}, r"'architecture' is \[1\], expected a JSON object"),
        ({"parameters": "many"}, "'parameters' is 'many'"),
        ({"calibration": {"threshold": 2}}, "'calibration.threshold' is 2, expected a number from"),
        ({"calibration": {"least_probability": "0"}}, "'calibration.least_probability' is '0'"),
    ],
)
def test_an_impossible_value_is_shown(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse(**changes)


def test_windows_have_a_threshold_of_their_own() -> None:
    both = {"threshold": 0.5, "window_threshold": 0.3}
    for calibration, expected in (({"threshold": 0.5}, 0.5), (both, 0.3), ({}, 0)):
        config = parse_config(json.dumps(tiny_config(calibration=calibration)), "config.json")
        assert config.window_threshold == expected
        assert config.threshold == calibration.get("threshold", 0)
    with pytest.raises(ModelError, match=r"'calibration.window_threshold' is 2, expected a number"):
        parse(calibration={"window_threshold": 2})


def test_a_newer_format_asks_for_an_upgrade() -> None:
    newer = FORMAT_VERSION + 1
    with pytest.raises(ModelError, match=rf"version {newer}.*reads up to {FORMAT_VERSION}.*pip"):
        parse(format_version=newer)


@pytest.mark.parametrize("text", ["{", "", '{"a": }'])
def test_bad_json_is_placed(text: str) -> None:
    with pytest.raises(ModelError, match=r"config.json is not JSON \(line 1"):
        parse_config(text, "config.json")


def test_json_that_is_no_object() -> None:
    with pytest.raises(ModelError, match="holds no JSON object"):
        parse_config("[1]", "config.json")
