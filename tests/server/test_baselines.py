"""Baselines in requests and sessions of a real server: the answers of Python, and nothing kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from live_server import Server, pcm_bytes
from websockets.sync.client import connect

import affekt
from affekt import Baseline
from affekt.client import Client
from affekt.errors import ServerError

SAME = 1e-5  # of a probability
CLOSE = json.dumps({"type": "session.close"})


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    return affekt.load_model()


@pytest.fixture(scope="module")
def baseline(model: affekt.Model, recordings: list[Path]) -> Baseline:
    return model.baseline(recordings[:6] * 3)


def given(**changes: Any) -> Callable[[Baseline], str]:
    """Return what a baseline is with some of its values changed."""

    def text(baseline: Baseline) -> str:
        values = baseline.to_dict()
        values["affekt_baseline"].update(changes)
        return json.dumps(values)

    return text


def test_a_request_brings_its_baseline(
    server: Server, model: affekt.Model, baseline: Baseline, recordings: list[Path]
) -> None:
    client, file = Client(server.url), recordings[0]
    found = client.predict(file, baseline=baseline)
    expected = model.predict(file, baseline=baseline)
    assert found.scores == pytest.approx(dict(expected.scores), abs=SAME)
    assert found.label == expected.label
    # The next request does not know of it.
    assert client.predict(file).scores == pytest.approx(dict(model.predict(file).scores), abs=SAME)
    segments = client.timeline(file, baseline=baseline)
    for one, other in zip(segments, model.timeline(file, baseline=baseline), strict=True):
        assert one.scores == pytest.approx(dict(other.scores), abs=SAME)
    assert client.text(file, "csv", baseline=baseline) != client.text(file, "csv")


def test_a_server_measures_a_voice(
    server: Server, model: affekt.Model, recordings: list[Path]
) -> None:
    client = Client(server.url)
    found = client.baseline(recordings[1:4])
    expected = model.baseline(recordings[1:4])
    assert (found.model, found.head, found.count) == (expected.model, expected.head, 3)
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-4)
    more = client.baseline(recordings[4:5], baseline=found)
    assert more.count == 4
    with pytest.raises(affekt.AffektError, match="at least one recording"):
        client.baseline([])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (given(head="0123"), "built with the model 'base', not with this 'base'"),
        (given(mean=[0.5]), "built with the model"),
        (lambda baseline: given()(baseline)[:-40], "no baseline of affekt, or damaged"),
        (given(mean=[float("nan")] * 288), "impossible numbers"),
        (given(mean=[1e300] * 288), "impossible numbers"),
        (given(count=0), "of no recordings"),
        (given(count=-1), "impossible numbers"),
        (given(format_version=99), "newer than this affekt reads"),
        (lambda _: "[" * 100_000, "no baseline of affekt, or damaged"),
        (lambda _: "", "no baseline of affekt, or damaged"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/audio/emotions", "/v1/audio/baselines"])
def test_a_bad_baseline_is_refused(
    client: httpx.Client,
    speech: bytes,
    baseline: Baseline,
    text: Callable[[Baseline], str],
    told: str,
    path: str,
) -> None:
    answer = client.post(path, files={"file": speech}, data={"baseline": text(baseline)})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_baseline", "baseline")
    assert told in error["message"]


def test_a_huge_baseline_is_refused(client: httpx.Client, speech: bytes) -> None:
    answer = client.post(
        "/v1/audio/emotions", files={"file": speech}, data={"baseline": "1" * 200_000}
    )
    assert answer.status_code == 400
    assert "longer than 131072 bytes" in answer.json()["error"]["message"]


def test_a_model_that_knows_no_baselines_says_so(
    server: Server, client: httpx.Client, speech: bytes, baseline: Baseline
) -> None:
    with pytest.raises(ServerError, match="keeps no 'emotion_head'") as raised:
        Client(server.url).baseline([speech], model="tiny")
    assert raised.value.status == 400
    form = {"baseline": json.dumps(baseline.to_dict()), "model": "tiny"}
    answer = client.post("/v1/audio/emotions", files={"file": speech}, data=form)
    assert "keeps no 'emotion_head'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("learn", [False, True])
def test_a_session_brings_and_learns_its_baseline(
    server: Server, model: affekt.Model, baseline: Baseline, recordings: list[Path], learn: bool
) -> None:
    samples = np.concatenate([affekt.load_audio(file) for file in recordings[:4]])
    heard = np.frombuffer(pcm_bytes(samples), "<i2")
    pieces = [pcm_bytes(part) for part in np.array_split(samples, 9)]
    events = list(Client(server.url).stream(pieces, session={"learn": learn}, baseline=baseline))
    updated = next(event for event in events if event["type"] == "session.updated")
    assert (updated["session"]["recordings"], updated["session"]["learn"]) == (18, learn)
    stream = model.stream(baseline=baseline, learn=learn)
    expected = []
    for part in np.array_split(heard, 3):
        stream.push(part)
        expected += stream.measurements
    stream.flush()
    expected += stream.measurements
    found = [event for event in events if event["type"] == "measurement.result"]
    for event, one in zip(found, expected, strict=True):
        assert event["scores"] == pytest.approx(dict(one.scores), abs=SAME)
    told = [event for event in events if event["type"] == "session.baseline"]
    assert len(told) == learn
    if learn:
        learnt = Baseline.from_dict(told[0]["baseline"])
        assert stream.baseline is not None
        assert learnt.count == stream.baseline.count > baseline.count
        np.testing.assert_allclose(learnt.mean, stream.baseline.mean, atol=1e-4)
        assert events[-1]["type"] == "session.closed"


@pytest.mark.parametrize(
    ("session", "code", "told"),
    [
        ({"baseline": {"affekt_baseline": 3}}, "invalid_baseline", "damaged"),
        ({"baseline": [1]}, "invalid_baseline", "damaged"),
        ({"learn": 1}, "invalid_message", "learn must be true or false"),
    ],
)
def test_a_session_refuses_a_bad_baseline_and_goes_on(
    server: Server, session: dict[str, Any], code: str, told: str
) -> None:
    with connect(server.ws_url) as socket:
        socket.send(json.dumps({"type": "session.update", "session": session}))
        socket.send(CLOSE)
        events = [json.loads(text) for text in socket]
    (error,) = [event["error"] for event in events if event["type"] == "error"]
    assert error["code"] == code
    assert told in error["message"]
    assert events[-1]["reason"] == "client"
