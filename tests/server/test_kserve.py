"""KServe v2, as a gateway speaks it."""

from __future__ import annotations

import json

import pytest
from live_server import noise

import affekt

MIB = 1 << 20
INFER = "/v2/models/default/infer"


def request(samples, **changes):
    tensor = {
        "name": "waveform",
        "shape": list(samples.shape),
        "datatype": "FP32",
        "data": samples.ravel().tolist(),
        **changes,
    }
    return {"id": "7", "inputs": [tensor]}


def test_it_infers_as_the_model_does(client):
    batch = noise(2).reshape(2, -1)
    answer = client.post(INFER, json=request(batch))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model_name"], body["id"]) == ("default", "7")
    outputs = {output["name"]: output for output in body["outputs"]}
    model = affekt.load_model()
    expected = model.predict_batch([(row, 16000) for row in batch])
    assert outputs["probabilities"]["shape"] == [2, len(model.labels)]
    assert outputs["embedding"]["shape"] == [2, model.config.embedding_size]
    flat = [score for answer in expected for score in answer.scores.values()]
    assert outputs["probabilities"]["data"] == pytest.approx(flat, abs=1e-5)


def test_metadata_and_health(client):
    assert client.get("/v2").json()["name"] == "affekt"
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}
    body = client.get("/v2/models/tiny").json()
    assert body["inputs"] == [{"name": "waveform", "datatype": "FP32", "shape": [-1, -1]}]
    assert body["outputs"][0]["shape"] == [-1, 6]
    missing = client.get("/v2/models/none")
    assert missing.status_code == 404
    assert "no such model" in missing.json()["error"]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"name": "audio"}, "named 'waveform'"),
        ({"datatype": "INT16"}, "FP32"),
        ({"shape": [16000]}, "shape"),
        ({"shape": [0, 16000]}, "shape"),
        ({"shape": [2, 16000]}, "holds 16000 values"),
        ({"data": ["a"] * 16000}, "not numbers"),
        ({"data": [[1], [1, 2]]}, "not numbers"),
        ({"data": [1e39] * 16000}, "floats within"),
        ({"data": [100.0] * 16000}, "floats within"),
        ({"data": [0.0] * 16000}, "silent"),
        ({"shape": [1, 10], "data": [0.5] * 10}, "too short"),
    ],
)
def test_what_is_wrong_is_said(client, changes, part):
    answer = client.post(INFER, json=request(noise(1)[None], **changes))
    assert answer.status_code == 400
    assert part in answer.json()["error"]


def test_binary_tensors(client):
    """The extension binary_tensor_data: JSON, and the bytes of the tensor behind it."""
    batch = noise(2).reshape(2, -1)
    expected = client.post(INFER, json=request(batch)).json()
    asked = request(batch, parameters={"binary_data_size": batch.nbytes})
    del asked["inputs"][0]["data"]
    head = json.dumps(asked).encode()
    headers = {"inference-header-content-length": str(len(head))}
    answer = client.post(INFER, content=head + batch.astype("<f4").tobytes(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected
    cut = client.post(INFER, content=head + batch.tobytes()[:-4], headers=headers)
    assert cut.status_code == 400
    assert "bytes follow the JSON" in cut.json()["error"]
    for size in ("-1", "1e3", "\u0663", "9" * 30, str(len(head) + batch.nbytes + 1)):
        wrong = client.post(
            INFER,
            content=head + batch.tobytes(),
            headers={"inference-header-content-length": size.encode()},
        )
        assert wrong.status_code in (400, 413)
    assert "binary_tensor_data" in client.get("/v2").json()["extensions"]


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b'"",', b"null,", b"[[],"])
def test_json_that_is_a_bomb(server, client, piece):
    """A few bytes of JSON become many of objects: it costs a decoder, and not much of it."""
    start = b'{"inputs":[{"name":"waveform","datatype":"FP32","shape":[1,1],"data":['
    content = start + piece * ((4 * MIB - 100) // len(piece)) + b"0]}]}"
    before = server.memory()
    answer = client.post(INFER, content=content)
    assert answer.status_code == 400, answer.text[:200]
    assert server.memory() - before < 60 * MIB
    too_long = client.post(INFER, content=content + b" " * 2 * MIB)
    assert too_long.status_code == 413
    assert "binary data" in too_long.json()["error"]


def test_bodies_that_are_no_request(client):
    half = b'{"id": "\\ud800", "inputs": []}'
    for content in (b"", b"{", b"[" * 100_000, b"{}", b'{"inputs": []}', b"\xff", b"[]", half):
        answer = client.post(INFER, content=content)
        assert answer.status_code == 400
        assert answer.json()["error"]
