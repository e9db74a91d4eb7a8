"""``POST /v1/audio/emotions`` of a real server, asked by a real client."""

from __future__ import annotations

import pytest

import affekt

EMOTIONS = "/v1/audio/emotions"


def post(client, content, **fields):
    return client.post(EMOTIONS, files={"file": ("a.wav", content)}, data=fields)


def test_it_answers_as_predict_does(client, recordings):
    model = affekt.load_model()
    for file in recordings:
        expected = model.predict(file)
        answer = post(client, file.read_bytes())
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["model"] == "default"
        assert body["label"] == expected.label
        assert body["confidence"] == pytest.approx(expected.confidence, abs=1e-5)
        assert body["scores"] == pytest.approx(expected.scores, abs=1e-5)


def test_verbose_json_has_the_time_line(client, recordings):
    file = recordings[0]
    model = affekt.load_model()
    granularities = ["segment", "utterance"]
    body = post(
        client,
        file.read_bytes(),
        **{"response_format": "verbose_json", "timestamp_granularities[]": granularities},
    ).json()
    expected = model.predict(file)
    assert body["duration"] == pytest.approx(expected.duration, abs=1e-3)
    assert body["warnings"] == list(expected.warnings)
    segments = list(model.timeline(file))
    assert [s["label"] for s in body["segments"]] == [s.label for s in segments]
    assert body["segments"][0]["start"] == pytest.approx(segments[0].start, abs=1e-3)
    assert body["segments"][-1]["end"] == pytest.approx(segments[-1].end, abs=1e-3)
    assert body["utterances"][0]["start"] == body["segments"][0]["start"]


@pytest.mark.parametrize(
    ("response_format", "kind", "part"),
    [
        ("srt", "application/x-subrip", " --> "),
        ("vtt", "text/vtt", "WEBVTT"),
        ("csv", "text/csv", "file,start,end,label,confidence"),
        ("textgrid", "text/plain", 'Object class = "TextGrid"'),
    ],
)
def test_text_formats_are_those_of_affekt_timeline(client, recordings, response_format, kind, part):
    from affekt.formats.registry import text_lines
    from affekt.results import Track

    file = recordings[0]
    answer = post(client, file.read_bytes(), response_format=response_format)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(kind)
    assert part in answer.text
    model = affekt.load_model()
    whole = model.predict(file)
    segments = tuple(model.timeline(file))
    facts = (whole.duration, "", whole.quality, whole.warnings, whole.ood_score)
    track = Track("recording", segments, *facts)
    assert answer.text.splitlines() == [*text_lines(response_format, [track], model.labels)]


def test_times_are_given_as_asked_for(client, speech):
    default = post(client, speech, response_format="verbose_json").json()
    assert "segments" in default
    assert "utterances" not in default
    form = {"response_format": "verbose_json", "timestamp_granularities[]": "utterance"}
    body = post(client, speech, **form).json()
    assert "segments" not in body
    assert body["utterances"]


def test_a_second_model_answers_by_name(client, tiny_model, wav):
    expected = affekt.load_model(tiny_model).predict(wav)
    body = post(client, wav, model="tiny").json()
    assert (body["model"], body["label"]) == ("tiny", expected.label)
    assert body["confidence"] == pytest.approx(expected.confidence, abs=1e-5)


@pytest.mark.parametrize(
    ("fields", "status", "param", "code", "part"),
    [
        ({"model": "no-such"}, 404, "model", "model_not_found", "here are: default, tiny"),
        ({"response_format": "xml"}, 400, "response_format", "invalid_value", "one of json"),
        (
            {"timestamp_granularities[]": "word"},
            400,
            "timestamp_granularities[]",
            "invalid_value",
            "segment, utterance",
        ),
        ({"model": ["tiny", "default"]}, 400, "model", "repeated", "given 2 times"),
    ],
)
def test_a_wrong_field_is_named(client, wav, fields, status, param, code, part):
    answer = post(client, wav, **fields)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"
    assert part in error["message"]


def test_a_missing_file_is_named(client):
    answer = client.post(EMOTIONS, files={"other": ("a.wav", b"x")})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "file"
    answer = client.post(EMOTIONS, content=b"x", headers={"content-type": "audio/wav"})
    assert answer.status_code == 415
    assert "multipart/form-data" in answer.json()["error"]["message"]


def test_every_answer_has_its_headers(client):
    for path in ("/health/live", "/no-such", "/v1/models"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-request-id"]
    given = client.get("/health/live", headers={"x-request-id": "my-id_7"})
    assert given.headers["x-request-id"] == "my-id_7"
    forged = client.get("/health/live", headers={"x-request-id": "a b"})
    assert forged.headers["x-request-id"] != "a b"


def test_health_models_and_metrics(client):
    assert client.get("/health/ready").json() == {"status": "ok"}
    listed = client.get("/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["default", "tiny"]
    assert client.get("/v1/models/tiny").json() == listed[1]
    assert client.get("/v1/models/none").status_code == 404
    text = client.get("/metrics").text
    assert 'affekt_requests_total{method="GET",route="/health/ready",status="200"}' in text
    assert "process_resident_memory_bytes" in text


def test_the_models_files_are_served_and_nothing_else(client, tiny_model):
    assert client.get("/models/tiny/config.json").json()["name"] == "tiny"
    graph = client.get("/models/tiny/model.onnx")
    assert graph.content == (tiny_model / "model.onnx").read_bytes()
    again = client.get("/models/tiny/model.onnx", headers={"if-none-match": graph.headers["etag"]})
    assert again.status_code in (200, 304)
    for path in ("README.md", "model.safetensors", "..%2F..%2Fconfig.json", "%2Fetc%2Fpasswd"):
        assert client.get(f"/models/default/{path}").status_code == 404
    assert client.get("/static/..%2Fapp.py").status_code == 404
