"""``WS /v1/stream`` of a real server, with a real WebSocket client."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import numpy as np
import pytest
from live_server import pcm_bytes
from websockets.sync.client import connect

import affekt

UPDATE = {"type": "session.update", "session": {"window": 1.0, "hop": 0.5, "min_duration": 0.5}}
CLOSE = json.dumps({"type": "session.close"})


def events_of(url, pieces, update=UPDATE, **options):
    """Send sound; return every event until the server closes, and the close code."""
    with connect(url, **options) as socket:
        if update:
            socket.send(json.dumps(update))
        for piece in pieces:
            socket.send(piece)
        socket.send(CLOSE)
        events = [json.loads(text) for text in socket]
        return events, socket.close_code


def cut(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def of_type(events, kind):
    return [event for event in events if event["type"] == kind]


@pytest.fixture(scope="module")
def samples(recordings):
    return affekt.load_audio(recordings[0])


@pytest.mark.parametrize("size", [3200, 3333, 64000], ids=["100 ms", "odd bytes", "2 s"])
def test_a_stream_is_heard_as_the_model_hears_it(server, samples, size):
    events, code = events_of(server.ws_url, cut(pcm_bytes(samples), size))
    assert code == 1000
    assert [event["type"] for event in events[:2]] == ["session.created", "session.updated"]
    assert events[1]["session"]["window"] == 1.0
    assert events[-1]["type"] == "session.closed"
    assert events[-1]["reason"] == "client"
    assert events[-1]["duration"] == pytest.approx(len(samples) / 16000, abs=1e-3)

    options = affekt.TimelineOptions(window=1.0, hop=0.5, min_duration=0.5)
    heard = np.frombuffer(pcm_bytes(samples), "<i2")
    expected = list(affekt.load_model().measure((heard, 16000), options))
    results = of_type(events, "measurement.result")
    assert len(results) == len(expected)
    for result, measurement in zip(results, expected, strict=True):
        assert result["start"] == pytest.approx(measurement.start, abs=1e-3)
        assert result["label"] == measurement.label
        assert result["scores"] == pytest.approx(measurement.scores, abs=1e-3)


def test_utterances_begin_before_and_end_after_what_is_measured(server, samples):
    silence = np.zeros(16000 * 3, dtype=np.float32)
    twice = np.concatenate([samples, silence, samples, silence])
    events, _ = events_of(server.ws_url, cut(pcm_bytes(twice), 3200))
    order = [
        event["type"] for event in events if event["type"].startswith(("utterance", "measurement"))
    ]
    assert order[0] == "utterance.start"
    assert order[-1] == "utterance.end"
    assert order.count("utterance.start") == order.count("utterance.end") == 2
    first, second = of_type(events, "utterance.end")
    assert first["end"] < len(samples) / 16000 + 1.5
    assert second["start"] > len(samples) / 16000 + 2
    assert first["label"] == max(first["scores"], key=first["scores"].get)
    assert first["segments"][0]["start"] == first["start"]
    assert sum(first["scores"].values()) == pytest.approx(1, abs=1e-4)


def test_webm_from_a_recorder_is_heard_while_it_comes(server, samples, encode_webm):
    update = {"type": "session.update", "session": {**UPDATE["session"], "format": "webm_opus"}}
    webm = encode_webm(samples)
    events, code = events_of(server.ws_url, cut(webm, 1500), update)
    assert code == 1000, events
    assert events[-1]["duration"] == pytest.approx(len(samples) / 16000, abs=0.1)
    plain, _ = events_of(server.ws_url, cut(pcm_bytes(samples), 3200))
    results, expected = of_type(events, "measurement.result"), of_type(plain, "measurement.result")
    assert abs(len(results) - len(expected)) <= 1
    assert results[0]["label"] == expected[0]["label"]


def test_many_sessions_do_not_meet(server, samples):
    durations = [0.5 + 0.25 * index for index in range(8)]
    ids = set()
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(server.ws_url)) for _ in durations]
        for socket, seconds in zip(sockets, durations, strict=True):
            socket.send(pcm_bytes(samples[: round(16000 * seconds)]))
        for socket in sockets:
            socket.send(CLOSE)
        for socket, seconds in zip(sockets, durations, strict=True):
            events = [json.loads(text) for text in socket]
            ids.add(events[0]["session"]["id"])
            assert events[-1]["duration"] == pytest.approx(seconds, abs=1e-3)
    assert len(ids) == 8


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("no json", "must be a JSON object"),
        ("[1]", "session.update or session.close"),
        (json.dumps({"type": "session.sing"}), "session.update or session.close"),
        (json.dumps({"type": "session.update", "session": {"format": "mp3"}}), "pcm_s16le"),
        (json.dumps({"type": "session.update", "session": {"volume": 1}}), "expected baseline,"),
        (json.dumps({"type": "session.update", "session": {"window": -1}}), "window"),
        (json.dumps({"type": "session.update", "session": {"window": 1e9}}), "at most 30"),
        (json.dumps({"type": "session.update", "session": {"window": "a"}}), "window"),
        (json.dumps({"type": "session.update", "session": 7}), "expected a JSON object"),
    ],
)
def test_a_wrong_message_is_explained_and_the_session_goes_on(server, samples, message, part):
    with connect(server.ws_url) as socket:
        socket.recv()
        socket.send(message)
        error = json.loads(socket.recv())
        assert error["type"] == "error"
        assert part in error["error"]["message"]
        socket.send(pcm_bytes(samples))
        socket.send(CLOSE)
        events = [json.loads(text) for text in socket]
        assert of_type(events, "measurement.result")
        assert events[-1]["reason"] == "client"


def test_nothing_changes_once_sound_has_come(server, samples):
    with connect(server.ws_url) as socket:
        socket.recv()
        socket.send(pcm_bytes(samples[:1600]))
        socket.send(json.dumps(UPDATE))
        error = json.loads(socket.recv())
        assert "cannot be changed" in error["error"]["message"]


def test_a_model_is_chosen_by_name(server, tiny_model):
    with connect(f"{server.ws_url}?model=tiny") as socket:
        created = json.loads(socket.recv())
        assert created["session"]["model"] == "tiny"
        assert created["session"]["look_ahead"] == 0
        assert created["limits"]["message_bytes"] == 256 * 1024


def test_a_stream_outlives_the_time_for_headers(start, samples):
    with start("--upload-timeout", "1") as server, connect(server.ws_url) as socket:
        for _ in range(15):  # 1.5 s, and headers may take 1 s
            socket.send(pcm_bytes(samples[:1600]))
            time.sleep(0.1)
        socket.send(CLOSE)
        assert [json.loads(text) for text in socket][-1]["reason"] == "client"
