"""``affekt stream --mic`` with the real PortAudio: PulseAudio's pipe source is the microphone.

Skips where PortAudio or PulseAudio is missing: ``apt install libportaudio2 libasound2-plugins
pulseaudio``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE

import affekt

RATE = 16000  # Hz
COMMAND = (sys.executable, "-m", "affekt", "stream", "--vad", "off", "--format", "json")


try:
    import sounddevice  # noqa: F401
except (ImportError, OSError):
    pytest.skip("needs sounddevice and PortAudio", allow_module_level=True)
if shutil.which("pulseaudio") is None:
    pytest.skip("needs pulseaudio", allow_module_level=True)

SERVER = """load-module module-native-protocol-unix
load-module module-pipe-source source_name=pipe file={pipe} format=s16le rate=16000 channels=1
set-default-source pipe
"""
# PortAudio sees ALSA, and ALSA hands on to PulseAudio.
ALSA = "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n"


class Microphone:
    """A device that hears what is written into a pipe.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.pipe = folder / "pipe"
        (folder / "server.pa").write_text(SERVER.format(pipe=self.pipe))
        (folder / "asound.conf").write_text(ALSA)
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
        }
        words = ["-n", "-F", folder / "server.pa", "--daemonize=no", "--use-pid-file=no"]
        self.server = subprocess.Popen(
            ["pulseaudio", *map(str, words), "--exit-idle-time=-1"],
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + PATIENCE
        while not self.pipe.exists() and time.monotonic() < end:
            time.sleep(0.05)

    def play(self, samples: np.ndarray) -> None:
        """Speak samples, int16, as fast as a voice does."""
        with self.pipe.open("wb", buffering=0) as pipe:
            for start in range(0, len(samples), RATE // 10):
                pipe.write(samples[start : start + RATE // 10].tobytes())
                time.sleep(0.1)

    def unplug(self) -> None:
        self.server.kill()
        self.server.wait()

    def run(self, *words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*COMMAND, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def microphone(tmp_path: Path) -> Iterator[Microphone]:
    one = Microphone(tmp_path)
    yield one
    one.unplug()


def test_it_is_listed_and_chosen_by_name(microphone: Microphone) -> None:
    status, listed, log = microphone.run("--list-devices")
    assert status == 0, log
    assert "default" in listed
    assert "yes" in listed
    status, out, log = microphone.run("--mic", "--device", "no such thing")
    assert (status, out) == (1, "")
    assert log.startswith("error: microphone no such thing: ")
    assert log.strip().endswith("`affekt stream --list-devices` shows what is there")
    assert log.count("\n") == 1


def test_what_it_hears_is_what_the_file_holds_and_stays_when_it_is_unplugged(
    microphone: Microphone, recordings: list[Path]
) -> None:
    voice = affekt.load_audio(next(file for file in recordings if "angry" in file.name))
    spoken = np.concatenate([voice, voice, np.zeros(3 * RATE, np.float32)])
    samples = (32767 * spoken).astype("<i2")
    samples = samples[: len(samples) // 1600 * 1600]
    options = affekt.TimelineOptions(vad="off", max_pause=0.5)
    expected = list(affekt.load_model(threads=1).timeline((samples, RATE), options))
    with subprocess.Popen(
        [*COMMAND, "--mic", "--device", "default", "--rate", str(RATE), "--max-pause", "0.5"],
        env=microphone.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert "listening to default at 16000 Hz" in process.stderr.readline()
        microphone.play(samples)
        time.sleep(0.5)
        microphone.unplug()
        out, log = process.communicate(timeout=PATIENCE)
    *rows, last = map(json.loads, out.splitlines())
    assert process.returncode == 1, log
    assert "error: microphone default: " in log
    assert "microphone default: " in last["error"]
    assert len(rows) == len(expected) > 0
    for row, segment in zip(rows, expected, strict=True):
        assert row["label"] == segment.label
        assert (row["start"], row["end"]) == pytest.approx((segment.start, segment.end), abs=0.01)
        assert row["scores"] == pytest.approx(segment.scores, abs=1e-3)


def test_without_any_the_error_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "asound.conf").write_text("</usr/share/alsa/alsa.conf>\n")
    done = subprocess.run(
        [*COMMAND, "--mic"],
        env={**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: microphone: " in done.stderr
