"""The OpenAPI document holds: whatever it allows is answered as it says, and never with a 5xx."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from affekt.records import json_schema
from affekt.results import AudioQuality, Prediction, Segment

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Half of the cases keep to the document, half break it; the same ones in every run.
BOUNDS = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def operations(server):
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    return [found.ok() for found in document.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_document_holds(operations, mode):
    asked = []
    for operation in operations:

        @BOUNDS
        @given(case=operation.as_strategy(generation_mode=mode))
        def hold(case):
            asked.append(case)
            case.call_and_validate(checks=CHECKS)

        if mode is GenerationMode.POSITIVE or operation.body:  # else nothing can be wrong
            hold()
    assert len(asked) >= (len(operations) if mode is GenerationMode.POSITIVE else 10)


def test_the_document_is_worth_reading(client):
    document = client.get("/openapi.json").json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert ("/v1/audio/emotions", "post") in [(path, method) for path, method, _ in operations]
    assert all(operation["summary"] for _, _, operation in operations)
    emotions = document["paths"]["/v1/audio/emotions"]["post"]
    form = emotions["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert document["components"]["schemas"]["Prediction"]["example"]["label"] == "happy"
    assert document["components"]["schemas"]["Error"]["example"]["error"]["param"] == "file"


def test_the_schemas_of_answers_are_those_of_the_records(client):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    for record in (AudioQuality, Prediction, Segment):
        told = json_schema(record, refs="#/components/schemas/")
        found = schemas[record.__name__]
        assert told["properties"].items() <= found["properties"].items()
        assert set(told["required"]) <= set(found["required"])
    assert "intensity" in schemas["Segment"]["properties"]
