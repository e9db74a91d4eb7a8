"""What goes wrong in a server's life: each time it says what was wrong, and answers the next."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from command_line import affekt
from live_server import noise, pcm_bytes, wav_bytes
from patience import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

EMOTIONS = "/v1/audio/emotions"
MIB = 1 << 20


def post(server, content, **fields):
    url = server.url + EMOTIONS
    return httpx.post(url, files={"file": ("a.wav", content)}, data=fields, timeout=PATIENCE)


def assert_well(server, wav):
    """The server answers others as if nothing had been."""
    answer = post(server, wav)
    assert answer.status_code == 200, answer.text


def assert_refused(answer, status, code, part):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert part in error["message"]
    assert "Traceback" not in answer.text


def rest(stream):
    """Return the events that are left, until the connection closes, however it does."""
    events = []
    with suppress(ConnectionClosed):
        for text in stream:
            events.append(json.loads(text))
    return events


def raw_request(server, *, length, body=b"", path=EMOTIONS):
    """Open a connection and send the beginning of a form."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\n\r\n"
    )
    part = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    connection.sendall(head.encode() + part + body)
    return connection


# --- recordings that are none ---


def test_noise_that_calls_itself_wav(server, wav):
    content = np.random.default_rng(3).bytes(10_000)
    assert_refused(post(server, content), 400, "invalid_audio", "not audio that can be read")
    assert_well(server, wav)


def test_a_wav_that_is_cut_short_or_empty_or_silent(server, wav):
    assert_refused(post(server, wav[: len(wav) // 2]), 400, "invalid_audio", "cut short")
    assert_refused(post(server, b""), 400, "missing", "'file'")
    silence = wav_bytes(np.zeros(16000, dtype=np.float32))
    assert_refused(post(server, silence), 400, "invalid_audio", "silent")
    assert_well(server, wav)


def flac_of_silence(seconds, rate=16000, channels=1):
    """A small file that holds hours: silence takes next to nothing in FLAC."""
    file = io.BytesIO()
    block = np.zeros((rate * 60, channels), dtype=np.int16)
    with soundfile.SoundFile(file, "w", rate, channels, "PCM_16", format="FLAC") as out:
        for _ in range(round(seconds / 60)):
            out.write(block)
    return file.getvalue()


@pytest.mark.parametrize("header", ["honest", "silent"])
def test_a_decompression_bomb(server, wav, header):
    content = bytearray(flac_of_silence(3600))
    assert len(content) < MIB
    if header == "silent":  # STREAMINFO that leaves the number of samples open
        content[21] &= 0xF0
        content[22:26] = bytes(4)
    answer = post(server, bytes(content))
    assert_refused(answer, 400, "invalid_audio", "longer than 600 s")
    assert_well(server, wav)


def test_a_recording_that_takes_too_much_memory_to_decode(start, wav):
    content = flac_of_silence(60, rate=192000, channels=8)  # 369 MB as floats
    with start("--decode-memory", "16") as server:
        assert_refused(post(server, content), 400, "invalid_audio", "more memory than")
        assert_well(server, wav)


def test_a_decoder_that_hangs_or_dies_is_replaced(start):
    file = io.BytesIO()  # a plain wav file would need no decoder
    soundfile.write(file, noise(3), 16000, format="FLAC")
    flac = file.getvalue()
    with start("--decode-timeout", "10") as server:
        assert_well(server, flac)
        before = server.children()
        for child in before:
            os.kill(child, signal.SIGSTOP)
        with ThreadPoolExecutor(len(before) - 1) as pool:  # what one client may have
            answers = list(pool.map(lambda _: post(server, flac), before[1:]))
        for answer in answers:
            assert_refused(answer, 400, "invalid_audio", "takes longer than 10 s")
        for child in server.children():
            os.kill(child, signal.SIGKILL)
        assert_well(server, flac)
        assert server.children()
        metrics = httpx.get(f"{server.url}/metrics").text
        deaths = float(re.search(r"^affekt_decoder_deaths_total (\S+)", metrics, re.M)[1])
        assert deaths >= len(before) - 1


def test_a_decoder_that_is_killed_costs_nobody_an_answer(start):
    """Whether it was idle or had the recording already: another one decodes it."""
    file = io.BytesIO()
    soundfile.write(file, noise(3), 16000, format="FLAC")
    with start() as server:
        before = server.children()
        for child in before:
            os.kill(child, signal.SIGSTOP)  # it takes a recording, and does not decode it
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, server, file.getvalue())
            for _ in range(20):  # by then it is handed over
                assert httpx.get(f"{server.url}/health/live").status_code == 200
            for child in before:
                os.kill(child, signal.SIGKILL)
        assert answer.result().status_code == 200, answer.result().text


# --- uploads ---


def test_a_client_that_leaves_midway(server, wav):
    connection = raw_request(server, length=100_000, body=wav[:5000])
    connection.close()
    assert server.event("request", status=499)["route"] == EMOTIONS
    assert_well(server, wav)


def test_an_upload_of_a_gigabyte_is_refused_before_it_comes(server, wav):
    connection = raw_request(server, length=1 << 30)
    answer = connection.recv(4096).decode()  # nothing of the body was sent
    connection.close()
    assert answer.startswith("HTTP/1.1 413")
    assert_well(server, wav)


def test_an_upload_without_end_is_refused_and_not_kept(server, wav):
    def endless():
        yield b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(1024):
            yield bytes(MIB)

    before = server.memory()
    headers = {"content-type": "multipart/form-data; boundary=xx"}
    answer = httpx.post(server.url + EMOTIONS, content=endless(), headers=headers, timeout=PATIENCE)
    assert_refused(answer, 413, "file_too_large", "larger than 26214400 bytes")
    assert server.memory() - before < 150 * MIB
    assert_well(server, wav)


def test_uploads_touch_no_disk(start, tmp_path):
    content = wav_bytes(noise(500))  # 16 MB, far more than frameworks keep in memory
    places = {name: str(tmp_path) for name in ("TMPDIR", "TEMP", "TMP")}
    with start("--max-duration", "1000", variables=places) as server:
        fields = Path(f"/proc/{server.process.pid}/io").read_text
        before = int(fields().split("write_bytes: ")[1].split()[0])
        connection = raw_request(server, length=len(content) + 100, body=content[: 8 * MIB])
        time.sleep(0.5)
        opened = [os.readlink(fd) for fd in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        connection.close()
        assert [name for name in opened if "deleted" in name or str(tmp_path) in name] == []
        assert post(server, content).status_code == 200
        after = int(fields().split("write_bytes: ")[1].split()[0])
        assert after - before < MIB
        assert list(tmp_path.iterdir()) == []
        server.stop()
        assert "a.wav" not in "".join(server.lines)


@pytest.mark.parametrize("what", ["body", "headers"])
def test_a_slow_loris(start, wav, what):
    with start("--upload-timeout", "1") as server:
        if what == "body":
            connection = raw_request(server, length=100_000)
            drip = b"x"
        else:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            drip = b"X-Slow: 1\r\n"
        answer, end = b"", time.monotonic() + PATIENCE
        connection.settimeout(0.2)
        while time.monotonic() < end:
            try:
                connection.sendall(drip)
                received = connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            answer += received
            if not received or b"upload_too_slow" in answer:
                break
        assert time.monotonic() < end
        if what == "body":
            assert answer.startswith(b"HTTP/1.1 408")
        connection.close()
        assert_well(server, wav)


def test_headers_without_end(server, wav):
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        sent = 0
        with suppress(OSError):
            while sent < 16 * MIB:
                connection.sendall(b"x" * 65536)
                sent += 65536
        assert sent < 16 * MIB
    assert_well(server, wav)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xx--\r\n",
        b"--xx\r\n\r\n",
        b"nonsense",
        b'--xx\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc',
        b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"a" * 5000 + b"\r\n--xx--",
        b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\na\r\n' * 40 + b"--xx--\r\n",
        b"--xx\r\n" + b"X: y\r\n" * 10_000 + b"\r\n--xx--\r\n",
    ],
)
def test_a_damaged_form(server, wav, body):
    headers = {"content-type": "multipart/form-data; boundary=xx"}
    answer = httpx.post(server.url + EMOTIONS, content=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]
    assert_well(server, wav)


# --- the queue, and the end ---


def test_a_full_queue(start, speech):
    with start("--queue", "1", "--threads", "1") as server, ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: post(server, speech), range(24)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["retry-after"] == "1"
        assert_refused(refused, 429, "queue_full", "try again later")
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert_well(server, speech)


def test_sigterm_under_load_finishes_what_runs(start, speech):
    with start() as server:
        outcomes, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                try:
                    outcomes.append(post(server, speech).status_code)
                except httpx.TransportError as error:
                    outcomes.append(type(error).__name__)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        with connect(server.ws_url) as stream:
            stream.recv()
            stream.send(pcm_bytes(noise(1)))
            while len(outcomes) < 12:
                time.sleep(0.01)
            status = server.stop()
            stop.set()
            events = rest(stream)
            assert (events[-1]["type"], events[-1]["reason"]) == ("session.closed", "shutdown")
            assert stream.close_code == 1001
        for thread in threads:
            thread.join()
        assert status == 0
        # What came too late met a closed port; whatever reached the server was answered.
        assert set(outcomes) <= {200, "ConnectError", "ReadError"}
        logged = [json.loads(line) for line in server.lines]
        answered = [line["status"] for line in logged if line.get("route") == EMOTIONS]
        assert set(answered) == {200}
        assert answered.count(200) == outcomes.count(200)
        assert logged[-1]["event"] == "stopped"


# --- sessions ---


def test_a_session_that_ends_within_a_sample(server):
    with connect(server.ws_url) as stream:
        stream.send(pcm_bytes(noise(1))[:-1])
        stream.send(json.dumps({"type": "session.close"}))
        events = rest(stream)
    assert "half_sample" in [event["error"]["code"] for event in events if "error" in event]
    assert events[-1]["reason"] == "client"
    assert events[-1]["duration"] == pytest.approx(1, abs=1e-3)


def test_half_a_frame_and_gone(server, wav):
    """A client that dies within a WebSocket frame."""
    stream = connect(server.ws_url)
    with stream:
        stream.recv()
        stream.socket.sendall(b"\x82\xfe\x10\x00abcd" + bytes(100))  # 4096 bytes were promised
        stream.socket.shutdown(socket.SHUT_RDWR)
    assert server.event("request", method="WEBSOCKET", reason="left")
    assert_well(server, wav)


def test_a_message_that_is_too_long(server, wav):
    for _ in range(20):  # the rest of it must not cost the client the reason, ever
        with connect(server.ws_url) as stream:
            stream.recv()
            stream.send(bytes(MIB))
            rest(stream)
            assert stream.close_code == 1009
    assert_well(server, wav)


def test_webm_that_is_none(server, wav):
    with connect(server.ws_url) as stream:
        stream.send(json.dumps({"type": "session.update", "session": {"format": "webm_opus"}}))
        stream.send(np.random.default_rng(1).bytes(10_000))
        events = rest(stream)
        assert stream.close_code == 1008
    assert "not a WebM stream" in events[-2]["error"]["message"]
    assert (events[-1]["type"], events[-1]["reason"]) == ("session.closed", "error")
    assert_well(server, wav)


def test_sessions_expire_and_idle_ones_end(start):
    options = ("--session-timeout", "6", "--idle-timeout", "3")
    with start(*options) as server, connect(server.ws_url) as idle:
        with connect(server.ws_url) as busy:
            piece = pcm_bytes(noise(0.1))
            with suppress(ConnectionClosed):
                while True:  # a session that goes on sending is expired none the less
                    busy.send(piece)
                    time.sleep(0.05)
            events = rest(busy)
            assert events[-2]["error"]["code"] == "session_expired"
            assert events[-1]["reason"] == "expired"
            assert busy.close_code == 1000
        events = rest(idle)
        assert events[-2]["error"]["code"] == "session_idle"
        assert events[-1]["reason"] == "idle"
        assert idle.close_code == 1008


def test_no_more_sessions_than_allowed(start):
    with start("--sessions", "1") as server, connect(server.ws_url) as first:
        first.recv()
        with pytest.raises(Exception, match="429"), connect(server.ws_url):
            pass
        first.send(json.dumps({"type": "session.close"}))
        assert rest(first)[-1]["reason"] == "client"
        with connect(server.ws_url) as second:
            assert json.loads(second.recv())["type"] == "session.created"


def test_a_client_that_does_not_read_or_sends_too_fast_fills_no_memory(server):
    before = server.memory()
    piece = pcm_bytes(noise(4))
    with connect(server.ws_url, max_queue=1) as stream:
        stream.socket.settimeout(0.5)
        sent, end = 0, time.monotonic() + 3
        while time.monotonic() < end:
            try:
                stream.socket.send(b"")
                stream.send(piece)
            except (TimeoutError, ConnectionClosed):
                break
            sent += len(piece)
        assert server.memory() - before < 60 * MIB
        stream.socket.close()


# --- the start ---


def test_a_model_that_is_missing_or_corrupt_at_start(capsys, tmp_path, tiny_model):
    missing = affekt(capsys, "serve", "--port", "0", "--model", tmp_path / "none")
    missing.is_one_line("no model at", "none")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((tiny_model / "config.json").read_bytes())
    (broken / "model.onnx").write_bytes(b"nonsense")
    affekt(capsys, "serve", "--port", "0", "--model", broken).is_one_line("cannot be loaded")
    (broken / "config.json").write_text("{")
    affekt(capsys, "serve", "--port", "0", "--model", broken).is_one_line("is not JSON")


def test_a_port_that_is_taken(capsys, server):
    answer = affekt(capsys, "serve", "--port", str(server.port))
    answer.is_one_line("cannot listen at", "--port")


# --- who takes more than a part ---


@pytest.mark.parametrize("value", ["1" * 401, "1" * 5000, "1e999", "NaN", '"\\ud800"', "[[[["])
def test_numbers_beyond_all_floats(server, value):
    with connect(server.ws_url) as stream:
        stream.recv()
        stream.send(f'{{"type": "session.update", "session": {{"window": {value}}}}}')
        refused = json.loads(stream.recv())
        assert refused["error"]["code"] == "invalid_message"
        assert len(refused["error"]["message"]) < 200
        stream.send(json.dumps({"type": "session.close"}))
        assert rest(stream)[-1]["reason"] == "client"


HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\r\n"
)


def test_refused_handshakes_and_bad_text_leave_no_traceback(start, wav):
    with start() as server:
        for path, host, version, status in (
            ("/v1/stream", "evil.example", 13, 403),
            ("/v1/stream?model=none", "127.0.0.1", 13, 404),
            ("/v1/none", "127.0.0.1", 13, 403),
            ("/v1/stream", "127.0.0.1", 99, 400),
        ):
            with socket.create_connection(
                ("127.0.0.1", server.port), timeout=PATIENCE
            ) as connection:
                head = HANDSHAKE.format(path=path, host=host, version=version)
                connection.sendall(head.encode())
                assert connection.recv(20).startswith(f"HTTP/1.1 {status}".encode())
        with connect(server.ws_url) as stream:
            stream.recv()
            stream.socket.sendall(b"\x81\x82\x00\x00\x00\x00\xff\xfe")  # text that is not UTF-8
            rest(stream)
            assert stream.close_code == 1007
        assert_well(server, wav)
        server.stop()
        logged = [json.loads(line) for line in server.lines]
        assert [line for line in logged if line["level"] == "error" or "traceback" in line] == []


@pytest.mark.parametrize("frame", [b"\x89\x80\0\0\0\0", b"\x8a\x80\0\0\0\0"])
def test_a_flood_of_pings_or_pongs_ends_the_connection(server, wav, frame):
    before = server.memory()
    stream = connect(server.ws_url)
    with stream:
        stream.recv()
        sent = 0
        with suppress(OSError):
            while sent < 64 * MIB:
                stream.socket.sendall(frame * 10_000)
                sent += 10_000 * len(frame)
        assert sent < 64 * MIB
    assert server.memory() - before < 20 * MIB
    assert_well(server, wav)


def test_a_message_in_endless_empty_parts_ends_the_connection(server, wav):
    stream = connect(server.ws_url)
    with stream:
        stream.recv()
        sent = 0
        with suppress(OSError):
            stream.socket.sendall(b"\x02\x80\0\0\0\0")
            while sent < 64 * MIB:
                stream.socket.sendall(b"\x00\x80\0\0\0\0" * 10_000)
                sent += 60_000
        assert sent < 64 * MIB
    assert_well(server, wav)


def test_many_requests_in_one_go_are_cut_off(server, wav):
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2000)
        answer = b""
        with suppress(OSError):
            while piece := connection.recv(65536):
                answer += piece
    assert answer.count(b"HTTP/1.1 200") <= 20
    assert_well(server, wav)


def test_one_address_leaves_connections_to_others(start, wav):
    """What does not read, and what says nothing, is ended; until then others have their part."""
    with start("--idle-timeout", "1", "--upload-timeout", "2") as server:
        descriptors = Path(f"/proc/{server.process.pid}/fd")
        before = len(list(descriptors.iterdir()))
        opened = []
        request = b"GET /models/default/model.onnx HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        for number in range(1100):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.bind(("127.0.0.2", 0))
            connection.connect(("127.0.0.1", server.port))
            with suppress(OSError):
                connection.sendall(request * 3 if number % 2 else b"")
            opened.append(connection)
        assert_well(server, wav)
        deadline = time.monotonic() + PATIENCE
        while len(list(descriptors.iterdir())) > before + 8:
            assert time.monotonic() < deadline, "descriptors are still open"
            time.sleep(0.1)
        for connection in opened:
            connection.close()
        assert_well(server, wav)


def test_a_limit_on_open_files_is_raised_or_met(start, wav):
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard})); "
        "sys.argv = ['affekt', *sys.argv[1:]]; runpy.run_module('affekt', run_name='__main__')"
    )
    for hard, most in ((4096, 1192), (512, 512)):
        command = (sys.executable, "-c", script.format(hard=hard))
        with start(command=command) as server:
            limits = Path(f"/proc/{server.process.pid}/limits").read_text()
            soft = next(line for line in limits.splitlines() if line.startswith("Max open files"))
            assert int(soft.split()[3]) == most
            assert_well(server, wav)
