"""The Python client, against servers that really run."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from live_server import Server

import affekt
from affekt.client import Client
from affekt.server.keys import new_key


@pytest.fixture(scope="module")
def server(tiny_model):
    running = Server("--model", "default", "--model", f"tiny={tiny_model}")
    yield running
    running.close()


@pytest.fixture(scope="module")
def client(server):
    return Client(server.url)


def test_it_predicts_as_the_model_does(client, recordings):
    model = affekt.load_model()
    expected = model.predict(recordings[0])
    content = recordings[0].read_bytes()
    with recordings[0].open("rb") as file:
        sources = [recordings[0], str(recordings[0]), content, file]
        answers = [client.predict(source) for source in sources]
    samples = affekt.load_audio(recordings[0])
    answers.append(client.predict((samples, 16000)))
    for answer in answers:
        assert answer.label == expected.label
        assert answer.scores == pytest.approx(expected.scores, abs=1e-4)
        assert answer.duration == pytest.approx(expected.duration, abs=1e-3)


def test_time_lines_and_their_texts(client, recordings):
    expected = list(affekt.load_model().timeline(recordings[0]))
    segments = client.timeline(recordings[0])
    assert [segment.label for segment in segments] == [segment.label for segment in expected]
    assert segments[-1].end == pytest.approx(expected[-1].end, abs=1e-3)
    assert client.text(recordings[0], "vtt").startswith("WEBVTT")


def test_models_and_readiness(client, server):
    assert [model["id"] for model in client.models()] == ["default", "tiny"]
    assert client.is_ready()
    assert not Client("http://127.0.0.1:9").is_ready()


@pytest.mark.parametrize("kind", ["float", "int16", "bytes"])
def test_a_stream_yields_events(client, recordings, kind):
    samples = affekt.load_audio(recordings[0])
    whole = np.round(samples * 32768).clip(-32768, 32767).astype("<i2")
    chunks = np.array_split(samples if kind == "float" else whole, 20)
    sound = (chunk.tobytes() if kind == "bytes" else chunk for chunk in chunks)
    events = list(client.stream(sound, session={"window": 1.0}))
    assert events[0]["type"] == "session.created"
    assert events[-1]["type"] == "session.closed"
    assert events[-1]["duration"] == pytest.approx(len(samples) / 16000, abs=1e-3)
    options = affekt.TimelineOptions(window=1.0)
    expected = [m.label for m in affekt.load_model().measure((whole, 16000), options)]
    results = [event for event in events if event["type"] == "measurement.result"]
    assert [result["label"] for result in results] == expected


def test_what_the_server_refuses_is_an_error_of_one_line(client, recordings):
    with pytest.raises(affekt.ServerError, match="not audio that can be read") as caught:
        client.predict(b"nonsense")
    assert (caught.value.status, caught.value.code) == (400, "invalid_audio")
    with pytest.raises(affekt.ServerError, match="here are: default, tiny"):
        client.predict(recordings[0], model="none")
    with pytest.raises(affekt.ServerError, match="here are: default, tiny"):
        list(client.stream([], model="none"))
    with pytest.raises(affekt.ServerError, match="is `affekt serve` running there"):
        Client("http://127.0.0.1:9").models()
    with pytest.raises(affekt.ServerError, match="no address of a server"):
        Client("ftp://host")


def test_a_key_is_sent(recordings):
    key, line = new_key("alice")
    guarded = Server(variables={"AFFEKT_API_KEYS": line})
    try:
        assert Client(guarded.url, key=key).predict(recordings[0]).label
        events = list(Client(guarded.url, key=key).stream([bytes(3200)]))
        assert events[-1]["type"] == "session.closed"
        with pytest.raises(affekt.ServerError, match="a valid API key") as caught:
            Client(guarded.url).predict(recordings[0])
        assert caught.value.status == 401
        with pytest.raises(affekt.ServerError, match="a valid API key"):
            list(Client(guarded.url, key="wrong").stream([]))
    finally:
        guarded.close()


@contextmanager
def busy_server(times: int):
    """A server that is busy for the first requests."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            busy = len(asked) <= times
            body = b'{"data": []}'
            self.send_response(429 if busy else 200)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()


def test_a_busy_server_is_asked_again():
    with busy_server(times=2) as (url, asked):
        assert Client(url, retries=2).models() == []
        assert len(asked) == 3
    with busy_server(times=2) as (url, asked):
        with pytest.raises(affekt.ServerError, match="status 429"):
            Client(url, retries=1).models()
        assert len(asked) == 2


def test_a_missing_file_is_named(client, tmp_path: Path):
    with pytest.raises(affekt.AudioError, match="no such file"):
        client.predict(tmp_path / "none.wav")


def test_an_upload_that_is_too_large_says_so(client):
    """The server refuses before all is sent; that is an answer, not a broken connection."""
    for size in (26 << 20, 200 << 20):
        with pytest.raises(affekt.ServerError, match="larger than 26214400 bytes") as caught:
            client.predict(bytes(size))
        assert (caught.value.status, caught.value.code) == (413, "file_too_large")
