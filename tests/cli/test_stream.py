"""``affekt stream``: pipes, files at real speed, and microphones that are not there."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
import soxr
from patience import PATIENCE

from affekt.cli import _sources
from affekt.cli.stream import LiveView
from affekt.errors import AffektError, AudioError
from affekt.results import Measurement

RATE = 16000  # Hz
SHORT = ["--window", "0.5", "--hop", "0.25", "--min-duration", "0.5", "--vad", "off"]


@pytest.fixture
def samples() -> np.ndarray:
    """Six seconds of noise, loud and soft in turns, int16."""
    rng = np.random.default_rng(0)
    loudness = np.repeat([0.3, 0.01, 0.3], 2 * RATE)
    return (32767 * loudness * rng.normal(0, 0.5, len(loudness)).clip(-1, 1)).astype("<i2")


@pytest.fixture
def command(tiny_model: Path) -> list[str]:
    return [sys.executable, "-m", "affekt", "stream", "--model", str(tiny_model), *SHORT]


def run(command: list[str], *words: str | Path, stdin: bytes = b"") -> tuple[int, list, str]:
    done = subprocess.run(
        [*command, *map(str, words), "--format", "json"],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return done.returncode, rows, done.stderr.decode()


def test_pipes_and_files_agree(command: list[str], samples: np.ndarray, tmp_path: Path) -> None:
    wav = tmp_path / "talk.wav"
    soundfile.write(wav, samples, RATE, subtype="PCM_16")
    _, played, _ = run(command, "--simulate", wav, "--speed", "100", "--hops")
    assert played[-2]["end"] == 6.0
    floats = (samples / 32768).astype("<f4").tobytes()
    for words, stdin in [
        (["--rate", "16000"], samples.tobytes()),
        (["--rate", "16000", "--encoding", "f32le"], floats),
        (["--rate", "16000", "--channels", "2"], np.repeat(samples, 2).tobytes()),
        ([], wav.read_bytes()),
    ]:
        status, rows, log = run(command, *words, "--hops", stdin=stdin)
        assert status == 0, log
        assert len(rows) > 10
        for row, expected in zip(rows, played, strict=True):
            assert {**row, "file": ""} == {**expected, "file": ""}


def test_hops_come_while_the_pipe_is_open(command: list[str], samples: np.ndarray) -> None:
    process = subprocess.Popen(
        [*command, "--rate", "16000", "--format", "json", "--hops"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(samples[: 2 * RATE].tobytes())
    process.stdin.flush()
    assert "provisional" in json.loads(process.stdout.readline())
    process.stdin.close()
    *_, last = map(json.loads, process.stdout.read().splitlines())
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 0
    assert last["duration"] == 2.0


def test_a_pipe_that_breaks_within_a_sample(command: list[str], samples: np.ndarray) -> None:
    status, rows, log = run(command, "--rate", "16000", stdin=samples.tobytes()[:-1])
    assert status == 0
    assert "its last 1 bytes are left out" in log
    assert rows[-1]["duration"] == pytest.approx(6.0, abs=1e-3)


def test_nan_ends_it_and_what_was_heard_is_kept(command: list[str], samples: np.ndarray) -> None:
    floats = (samples / 32768).astype("<f4")
    floats[5 * RATE] = np.nan
    status, rows, log = run(
        command, "--rate", "16000", "--encoding", "f32le", stdin=floats.tobytes()
    )
    assert status == 1
    assert len(rows) > 1
    assert "NaN or infinite, the first at 5.000 s" in rows[-1]["error"]
    assert log.splitlines()[-1].startswith("error: stream: ")


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (["--rate", "0"], b"", "a sample rate of 0 Hz is out of range"),
        (["--rate", "16000"], b"", "it ended before a sample came"),
        ([], b"no sound at all " * 100, "it is not audio that can be read"),
        (["--simulate", "none.wav"], b"", "no such file"),
    ],
)
def test_what_cannot_be_heard_is_one_line(
    command: list[str], words: list[str], stdin: bytes, message: str
) -> None:
    status, rows, log = run(command, *words, stdin=stdin)
    assert (status, rows) == (1, [])
    assert message in log
    assert log.count("\n") == 1


def test_an_output_that_exists_is_kept(
    command: list[str], samples: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "old.jsonl"
    out.write_text("precious")
    status, _, log = run(command, "--rate", "16000", "--out", out, stdin=samples.tobytes())
    assert status == 1
    assert "is there already" in log
    assert out.read_text() == "precious"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(command: list[str], samples: np.ndarray) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*command, "--rate", "16000"],
            input=samples.tobytes(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert os.strerror(errno.ENOSPC) in done.stderr.decode()


def test_a_microphone_needs_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AffektError, match=r"pip install 'affekt\[mic\]'"):
        next(_sources.microphone(None, None))


class PortAudioError(Exception):
    """As sounddevice has it."""


class Unplugged:
    """An input stream of sounddevice whose device is taken away after three reads."""

    reads = 0

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Unplugged:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, frames: int) -> tuple[np.ndarray, bool]:
        self.reads += 1
        if self.reads > 3:
            raise PortAudioError("Device unavailable [PaErrorCode -9985]")
        return np.zeros((frames, 1), dtype=np.float32), False


def test_a_microphone_that_is_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"name": "Headset", "default_samplerate": 44100.0}
    device = SimpleNamespace(
        PortAudioError=PortAudioError,
        InputStream=Unplugged,
        query_devices=lambda *_: facts,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    heard: Iterator = _sources.microphone(None, None)
    chunks = [next(heard) for _ in range(3)]
    assert {(chunk.shape, rate) for chunk, rate in chunks} == {((4410, 1), 44100)}
    with pytest.raises(AudioError, match="microphone: Device unavailable .*--list-devices"):
        next(heard)


def test_the_first_seconds_are_provisional(command: list[str], samples: np.ndarray) -> None:
    words = ["--rate", "16000", "--window", "3", "--hop", "0.5"]
    _, rows, _ = run(command, *words, "--hops", stdin=samples.tobytes())
    marks = [row["provisional"] for row in rows if "provisional" in row]
    assert marks[:4] == [True] * 3 + [False]
    assert (rows[2]["start"], rows[2]["end"]) == (0.0, 1.5)
    assert not any(marks[3:])
    _, plain, _ = run(command, *words, stdin=samples.tobytes())
    assert plain == [row for row in rows if "provisional" not in row]


def test_the_view_says_what_is_provisional() -> None:
    view = LiveView(["happy", "sad"])
    early = Measurement(0.0, 1.0, "sad", 0.75, {"happy": 0.25, "sad": 0.75}, provisional=True)
    view.hear(np.zeros(1600, np.float32), 1.0, [early], None)
    assert "so far, provisional" in view.draw()
    assert "> sad    ████████████████████████          75%" in view.draw()
    view.hear(np.zeros(1600, np.float32), 4.0, [replace(early, provisional=False)], None)
    assert "provisional" not in view.draw()


def test_a_file_is_played_at_its_own_speed(samples: np.ndarray, tmp_path: Path) -> None:
    wav = tmp_path / "talk.wav"
    soundfile.write(wav, samples[:RATE], RATE)
    began = time.monotonic()
    assert sum(len(chunk) for chunk, _ in _sources.played(wav, 2.0)) == RATE
    assert time.monotonic() - began >= 0.5


def test_the_view_shows_emotions_level_and_segments() -> None:
    view = LiveView(["happy", "sad"])
    tone = np.full(1600, 3277, dtype=np.int16)  # 20 dB below full scale
    view.hear(tone, 2.0, [Measurement(0.0, 0.5, "sad", 0.75, {"happy": 0.25, "sad": 0.75})], None)
    text = view.draw()
    assert "0:02.0" in text
    assert "-20 dBFS" in text
    assert "> sad    ████████████████████████          75%" in text
    assert "  happy  ████████                          25%" in text


def webm(samples: np.ndarray) -> bytes:
    """Opus in webm, as a browser records it."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        track = container.add_stream("libopus", rate=48000, layout="mono")
        resampled = soxr.resample(samples / 32768, RATE, 48000).astype(np.float32)
        for start in range(0, len(resampled) - 959, 960):
            frame = av.AudioFrame.from_ndarray(
                resampled[None, start : start + 960], format="flt", layout="mono"
            )
            frame.sample_rate, frame.pts = 48000, start
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_webm_from_a_pipe_whole_and_cut(
    command: list[str], samples: np.ndarray, share: float
) -> None:
    content = webm(samples)
    status, rows, log = run(command, "--hops", stdin=content[: int(share * len(content))])
    assert status == 0, log
    assert rows[-1]["duration"] == pytest.approx(6 * share, abs=0.8)
    assert any("provisional" in row for row in rows)
    assert log == ""


@pytest.mark.parametrize("kind", ["wav", "webm"])
def test_a_slow_pipe_is_heard_before_it_ends(
    command: list[str], samples: np.ndarray, kind: str
) -> None:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    content = file.getvalue() if kind == "wav" else webm(samples)
    with subprocess.Popen(
        [*command, "--format", "json", "--hops"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        half = int(0.7 * len(content))
        for start in range(0, half, 2000):
            process.stdin.write(content[start : min(half, start + 2000)])
            process.stdin.flush()
            time.sleep(0.005)
        first = json.loads(process.stdout.readline())  # while the pipe is open
        assert first["start"] == 0.0
        process.stdin.write(content[half:])
        process.stdin.close()
        rows = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert rows[-1]["duration"] == pytest.approx(6.0, abs=0.05)


def screen(written: str) -> list[str]:
    """What a terminal shows in the end: it knows line ends, one line up, and clearing a line."""
    rows, at = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            at += 1
            rows += [""] * (at == len(rows))
        elif part == "\x1b[1A":
            at -= 1
        elif part == "\x1b[2K":
            rows[at] = ""
        elif part[0] not in "\x1b\r":
            rows[at] += part
    return [row.rstrip() for row in rows if row.strip()]


def test_on_a_terminal_only_segments_stay(
    command: list[str], samples: np.ndarray, tmp_path: Path
) -> None:
    pty = pytest.importorskip("pty")
    wav = tmp_path / "talk.wav"
    loud, pause = samples[: 2 * RATE], np.zeros(3 * RATE, dtype=samples.dtype)
    soundfile.write(wav, np.concatenate([loud, pause, loud]), RATE, subtype="PCM_16")
    ours, theirs = pty.openpty()
    words = ["--simulate", str(wav), "--threshold", "0"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    seen = b""
    with subprocess.Popen(
        [*command, *words, "--speed", "6"], stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:  # how Linux says that nobody holds the other end any more
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"dBFS" in seen  # the view was drawn
    _, rows, _ = run(command, *words, "--speed", "100")
    left = [row for row in screen(seen.decode()) if not row.startswith("warning: ")]
    labels = [row["label"] for row in rows if "label" in row]
    assert len(labels) > 1
    assert [row.split()[2] for row in left] == labels
