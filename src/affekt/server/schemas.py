"""The JSON that the server answers with, for its OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from affekt.records import json_schema
from affekt.results import AudioQuality, Prediction, Segment

_REFS = "#/components/schemas/"


class ErrorFacts(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str


class Error(BaseModel):
    """An error, in the shape of OpenAI's interface."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "message": "the file: it is empty (0 bytes); record or download it again",
                    "type": "invalid_request_error",
                    "param": "file",
                    "code": "invalid_audio",
                }
            }
        }
    )

    error: ErrorFacts


class Feedback(BaseModel):
    """The true label of an answer."""

    id: str = Field(description="The `X-Request-Id` that came with the answer.", min_length=1)
    label: str = Field(description="One of the labels of the model.", min_length=1)


class FeedbackCounted(BaseModel):
    """What feedback is answered with."""

    id: str
    counted: Literal[True]


class ModelFacts(BaseModel):
    """A model and its metadata."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Always 0: models carry no date.")
    owned_by: str
    labels: list[str]
    sample_rate: int = Field(description="Hz.")
    streamable: bool
    licence: str
    intended_use: str
    unintended_use: str
    training_data: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    files: list[str] = Field(description="What `/models/{id}/` serves of it.")


class ModelList(BaseModel):
    """All models of a server; the first one is the default."""

    object: Literal["list"] = "list"
    data: list[ModelFacts]


class BaselineFacts(BaseModel):
    """The mean embedding of recordings of one voice, or of one room."""

    format_version: int
    model: str = Field(description="Name of the model that it was built with.")
    head: str = Field(description="Fingerprint of that model: it serves no other.")
    count: int = Field(ge=1, description="Recordings.")
    mean_square: float = Field(
        description="Mean square of what the recordings one by one move the logits by."
    )
    mean: list[float]


class BaselineFile(BaseModel):
    """A baseline: statistics, no sound. What a file of `affekt baseline` holds."""

    affekt_baseline: BaselineFacts


class Health(BaseModel):
    """Whether a server lives, or is ready."""

    status: Literal["ok", "stopping"]


class KServeError(BaseModel):
    """An error, in the shape of KServe's interface."""

    error: str


class Tensor(BaseModel):
    """A tensor of KServe's open inference protocol."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferenceRequest(BaseModel):
    """Waveforms to classify: one tensor ``waveform``, float32 [batch, samples] at 16 kHz."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "inputs": [
                    {
                        "name": "waveform",
                        "shape": [1, 4],
                        "datatype": "FP32",
                        "data": [0.0, 0.1, -0.1, 0.0],
                    }
                ]
            }
        }
    )

    id: str | None = None
    inputs: list[Tensor]


class InferenceResponse(BaseModel):
    """Their probabilities and embeddings."""

    model_name: str
    id: str | None = None
    outputs: list[Tensor]


def answer_schemas() -> dict[str, Any]:
    """Return the schemas of the server's answers by name: those of `affekt.results`."""
    records = {one.__name__: json_schema(one, refs=_REFS) for one in (AudioQuality, Segment)}
    numbered = {"id": {"type": "integer", "minimum": 0, "description": "Place in the list."}}
    segment = records["Segment"]
    segment["properties"] = {**numbered, **segment["properties"]}
    segment["required"] = ["id", *segment["required"]]
    prediction = json_schema(Prediction, refs=_REFS)
    name = {"model": {"type": "string", "description": "Name of the model that answered."}}
    prediction["properties"] = {**name, **prediction["properties"]}
    prediction["required"] = ["model", *prediction["required"]]
    prediction["example"] = {"model": "default", **_EXAMPLE.to_dict()}
    parts = {"type": "array", "items": {"$ref": f"{_REFS}Segment"}}
    times = {
        "segments": {**parts, "description": "For `timestamp_granularities[]=segment`."},
        "utterances": {
            **parts,
            "description": "Stretches of speech, for `timestamp_granularities[]=utterance`.",
        },
    }
    verbose = {
        **prediction,
        "title": "VerbosePrediction",
        "description": "The same, with segments.",
        "properties": {**prediction["properties"], **times},
    }
    return {**records, "Prediction": prediction, "VerbosePrediction": verbose}


_EXAMPLE = Prediction(
    label="happy",
    confidence=0.81,
    scores={"angry": 0.04, "happy": 0.81, "neutral": 0.1, "sad": 0.05},
    duration=2.5,
)


def inlined_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON schema without references, for a body that no parameter declares."""
    schema = model.model_json_schema()
    return dict(_without_references(schema, schema.pop("$defs", {})))


def _without_references(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _without_references(definitions[node["$ref"].rpartition("/")[2]], definitions)
        return {key: _without_references(value, definitions) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_references(value, definitions) for value in node]
    return node
